// Send the requests of the forms on the page, and show their responses.
const token = document.getElementById("token");

function requestOf(form) {
  const { method, path } = form.dataset;
  const headers = {}, query = new URLSearchParams();
  let url = path;
  if (token.value) headers.Authorization = `Bearer ${token.value}`;
  for (const { name, value, dataset } of form.querySelectorAll("input")) {
    if (dataset.in === "path") url = url.replace(`{${name}}`, encodeURIComponent(value));
    else if (value && dataset.in === "query") query.append(name, value);
    else if (value) headers[name] = value;
  }
  const body = form.querySelector("textarea");
  if (body?.value) headers["Content-Type"] = body.dataset.media;
  if (query.size) url += `?${query}`;
  return [url, { method, headers, body: body?.value || undefined }];
}

async function show(response, output) {
  const type = response.headers.get("Content-Type") ?? "";
  const text = await response.text();
  const body = type.includes("json") && text ? JSON.stringify(JSON.parse(text), null, 2) : text;
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`);
  output.textContent = [`${response.status} ${response.statusText}`, ...headers, "", body].join("\n");
}

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!event.target.dataset.path) return; // the form of the token
  const output = event.target.querySelector("pre");
  output.hidden = false;
  output.textContent = "Waiting for the response…";
  try {
    const [url, options] = requestOf(event.target);
    await show(await fetch(url, options), output);
  } catch (error) {
    output.textContent = `The request failed: ${error.message}`;
  }
});
