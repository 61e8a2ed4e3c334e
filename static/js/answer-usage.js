// What an answer has used, asked of the server when somebody wants to know.

const FAILED = "The numbers could not be loaded.";

/** Of a single answer fractions of a cent count as well. */
function inExactDollars(cost) {
  if (cost >= 1 || cost === 0) return `$${cost.toFixed(2)}`;
  return `$${cost.toFixed(6).replace(/(\.\d\d.*?)0+$/, "$1")}`;
}

/** "1,200 tokens in, 300 out · $0.0042", with what else there is to say of them. */
export function inWords(usage) {
  if (usage.totalTokens === 0) return "No tokens were counted for this answer.";
  const number = (count) => count.toLocaleString("en-US");
  const { cacheReadTokens: cached, reasoningTokens: reasoning } = usage;
  const asked = usage.inputTokens + cached + usage.cacheWriteTokens;
  const input = `${number(asked)} tokens in${cached ? ` (${number(cached)} from the cache)` : ""}`;
  const output = `${number(usage.outputTokens)} out${reasoning ? ` (${number(reasoning)} of reasoning)` : ""}`;
  const cost = usage.costUsd === null ? "no price known" : inExactDollars(usage.costUsd);
  return `${input}, ${output} · ${cost}${usage.isEstimated ? " · estimated" : ""}`;
}

/** In words. Throws an error that says why they cannot be had. */
export async function usageOf(url, conversationId, messageId) {
  let response;
  let answer;
  try {
    response = await fetch(`${url}?${new URLSearchParams({ conversationId, messageId })}`, {
      headers: { Accept: "application/json" },
    });
    answer = await response.json();
  } catch {
    throw new Error(FAILED);
  }
  if (!response.ok) throw new Error(answer.error?.message ?? FAILED);
  return inWords(answer);
}
