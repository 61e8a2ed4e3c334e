// The token by which the server knows that a request comes from its own pages.

/** A new log-in in another tab has another token, which the cookie has and this page has not. */
export function csrfToken() {
  return (
    document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ??
    document.querySelector("[name=csrfmiddlewaretoken]")?.value ??
    null
  );
}
