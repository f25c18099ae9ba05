// Show a page for the path of the address bar, without loading the document again.

import { signal } from "@preact/signals";

export const path = signal(location.pathname);

/** Pages of another document, or of the API. */
const ELSEWHERE = /^\/(?!app\/)|^\/app\/token(\/|$)|^\/app\/assets\//;

/** Return whether another document has a path. */
export function isElsewhere(address: string): boolean {
  return ELSEWHERE.test(address);
}

/** Show the page of a path. */
export function go(address: string): void {
  history.pushState(null, "", address);
  path.value = location.pathname;
  scrollTo(0, 0);
  document.getElementById("main")?.focus();
}

/** Follow links to these pages without loading the document again. */
export function followLinks(): void {
  addEventListener("popstate", () => (path.value = location.pathname));
  addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    if (link.origin !== location.origin || link.target || link.hash || isElsewhere(link.pathname)) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
