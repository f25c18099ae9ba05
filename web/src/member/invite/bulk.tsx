// Invite many people at once: pasted, or from a file, with the result of each row next to it.

import { useRef, useState } from "preact/hooks";
import { call, Refusal } from "../../shared/api";
import type { BulkInvitation, NewInvitations } from "../../shared/description";
import { Problem } from "../../shared/problem";
import { useAction } from "../../shared/resource";
import { language } from "../../shared/words";
import { Field } from "../field";
import { t } from "../texts";
import { looksComplete, MOST_ROWS, repeatedIn, type Row, rowsOf, textOf } from "./rows";

interface Result {
  readonly rows: readonly Row[];
  /** What is wrong with a row, by its number, which is counted from 1. */
  readonly rejected: ReadonlyMap<number, string>;
}

export function BulkForm({ done }: { readonly done: () => void }) {
  const [text, setText] = useState("");
  const [result, setResult] = useState<Result | null>(null);
  const key = useRef(crypto.randomUUID());
  const rows = rowsOf(text);
  const change = (changed: string) => {
    setText(changed);
    setResult(null);
    key.current = crypto.randomUUID();
    sending.clear();
  };
  const sending = useAction(async () => {
    setResult({ rows, rejected: await send(rows, key.current) });
    done();
  });
  const choose = async (file: File | undefined) => file && change(await textOf(file));
  const shown = result?.rows ?? rows;
  const repeated = repeatedIn(shown);
  const ready = rows.filter((row, place) => looksComplete(row) && !repeated.has(place)).length;
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void sending.run();
      }}
    >
      <Field id="rows" label={t("paste")} hint={t("pasteHint", { n: MOST_ROWS })}>
        {(described) => <textarea id="rows" rows={6} class="mono" value={text} placeholder={"ann@example.com\nbob@example.com, Hello"} onInput={({ currentTarget }) => change(currentTarget.value)} {...described} />}
      </Field>
      <div class="field">
        <label for="file">{t("orFile")}</label>
        <input id="file" type="file" accept=".csv,.tsv,.txt,text/csv" onChange={({ currentTarget }) => void choose(currentTarget.files?.[0])} />
      </div>
      {shown.length > 0 && <Rows rows={shown} repeated={repeated} result={result} />}
      <div class="row">
        <button class="primary" disabled={sending.busy || ready === 0 || rows.length > MOST_ROWS || result !== null}>
          {t("sendMany", { n: ready })}
        </button>
        <span role="status" class="good">
          {result && t("bulkAccepted", { n: result.rows.length - result.rejected.size })}
        </span>
      </div>
      <Problem error={sending.error} />
    </form>
  );
}

async function send(rows: readonly Row[], key: string): Promise<ReadonlyMap<number, string>> {
  const body: NewInvitations = { rows: rows.map(({ email, note, locale }) => ({ email, ...(note && { note }), locale: locale || language.value })) };
  try {
    const answer = (await call("POST /v1/invites/bulk", { body, key })) as unknown as BulkInvitation;
    return new Map(answer.rejected.map(({ row, code }) => [row, t(`row_${code}`)]));
  } catch (error) {
    const found = error instanceof Refusal && error.status === 422 ? rowsIn(error) : null;
    if (!found?.size) throw error;
    return found;
  }
}

/** Return what is wrong with each row where no row was valid. */
function rowsIn({ errors }: Refusal): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const { field, detail } of errors) {
    const [, index] = /^rows\.(\d+)/.exec(field) ?? [];
    if (index !== undefined) found.set(Number(index), detail);
  }
  return found;
}

function Rows({ rows, repeated, result }: { readonly rows: readonly Row[]; readonly repeated: ReadonlySet<number>; readonly result: Result | null }) {
  return (
    <div class="scroll rows" tabIndex={0} role="group" aria-label={t("rows")}>
      <table>
        <thead>
          <tr>
            <th scope="col">#</th>
            <th scope="col">{t("email")}</th>
            <th scope="col">{t("note")}</th>
            <th scope="col">{t("result")}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              <td>{index + 1}</td>
              <td class="break">{row.email}</td>
              <td class="break small">{row.note}</td>
              <td>{outcome(row, index, repeated, result)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function outcome(row: Row, index: number, repeated: ReadonlySet<number>, result: Result | null) {
  const rejected = result?.rejected.get(index + 1);
  if (rejected) return <span class="bad">{rejected}</span>;
  if (result) return <span class="good">{t("rowSent")}</span>;
  if (index >= MOST_ROWS) return <span class="bad">{t("rowTooMany")}</span>;
  if (!looksComplete(row)) return <span class="warn">{t("row_invalid_email")}</span>;
  return repeated.has(index) ? <span class="warn">{t("rowRepeated")}</span> : <span class="quiet">{t("rowReady")}</span>;
}
