// Show a labelled field of a form.

import type { ComponentChildren } from "preact";

interface FieldProps {
  readonly id: string;
  readonly label: string;
  readonly hint?: string;
  readonly wrong?: string | undefined;
  readonly children: (described: object) => ComponentChildren;
}

/** A labelled field with a hint, and with what is wrong with its value. */
export function Field({ id, label, hint, wrong, children }: FieldProps) {
  const described = { "aria-describedby": `${id}-more`, "aria-invalid": wrong ? "true" : undefined };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(described)}
      <span class={`small ${wrong ? "bad" : "quiet"}`} id={`${id}-more`}>
        {wrong ?? hint}
      </span>
    </div>
  );
}
