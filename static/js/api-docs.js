// The API's schema for people, by Swagger UI. Requests from the page act as the person logged in.

import { csrfToken } from "./csrf.js";

const element = document.getElementById("api-docs");

globalThis.SwaggerUIBundle({
  domNode: element,
  url: element.dataset.schema,
  deepLinking: true,
  // Nothing is asked of other servers.
  validatorUrl: null,
  requestInterceptor(request) {
    const token = csrfToken();
    if (token) request.headers["X-CSRFToken"] = token;
    return request;
  },
});
