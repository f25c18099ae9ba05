// Show the heading of a page.

import { useEffect } from "preact/hooks";

/** A page's heading, which is also the title of the document. */
export function Title({ text, hidden = false }: { readonly text: string; readonly hidden?: boolean }) {
  useEffect(() => {
    document.title = `${text} · Vouch`;
  }, [text]);
  return <h1 class={hidden ? "visually-hidden" : ""}>{text}</h1>;
}
