// What a link has to say of where it leads, besides its text.

// Signs that turn the order of letters around, or cannot be seen.
const INVISIBLE = /[\u00ad\u180e\u200b-\u200d\u202a-\u202e\u2060-\u2069\ufeff]/g;
const SCHEME = /^(?:[a-z][a-z0-9+.-]*:\/\/|mailto:|www\.)/i;
// "Node.js" and "README.md" are names, not addresses.
const DOMAIN = /^(?:[\p{L}\p{N}-]+\.)+(?!(?:js|md|ts|py|rs|sh|net)$)\p{L}{2,}(?:[/:?#]\S*)?$/iu;

/** `text` without signs that make it look like another one. */
export const withoutTricks = (text) => text.replace(INVISIBLE, "");

/** The host that an address leads to, or the person a mail goes to. Null for what is no address. */
export function hostOf(address) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  if (url.protocol === "mailto:") return decoded(url.pathname);
  // Letters of other alphabets that look like ours come as "xn--…".
  return url.host || null;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const withoutWww = (text) => text.replace(/^www\./i, "");

/**
 * Where a link with this text leads, if its text does not say so itself.
 *
 * @returns {{host: string, isLie: boolean} | null} `isLie`: the text looks like another address
 */
export function destination(text, address) {
  const host = hostOf(address);
  if (host === null) return null;
  const said = text.trim();
  const bare = withoutWww(said.replace(/^(?:https?:\/\/|mailto:)/i, "")).toLowerCase();
  const real = withoutWww(host).toLowerCase();
  // "good.example@evil.example" begins with another host than it names.
  if (bare.startsWith(real) && /^(?:$|[/?#])/.test(bare.slice(real.length))) return null;
  return { host, isLie: SCHEME.test(said) || DOMAIN.test(said) };
}
