// Ids that this page chooses: for chats, messages and requests.

/** 32 random hexadecimal digits. `crypto.randomUUID` is missing on plain http in a local network. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
