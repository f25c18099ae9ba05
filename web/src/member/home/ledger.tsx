// List where each point comes from; a row expands to the rule and the event behind it.

import { useEffect, useState } from "preact/hooks";
import { call } from "../../shared/api";
import type { ExplainedEntry, LedgerPage } from "../../shared/description";
import { Problem } from "../../shared/problem";
import { useAction, useResource } from "../../shared/resource";
import { say } from "../../shared/texts";
import { date, moment, number } from "../../shared/words";
import { changes } from "../live";
import { t } from "../texts";
import { explained, ruleOf } from "./explain";
import { entriesBefore } from "./past";

interface LedgerProps {
  readonly first: LedgerPage | null | undefined;
  /** Show what had happened before a past moment (UNIX seconds); null: all. */
  readonly before: number | null;
}

export function Ledger({ first: initial, before }: LedgerProps) {
  const first = useResource((signal) => call("GET /v1/points/ledger", { query: {}, signal }), [changes.value], initial);
  const [further, setFurther] = useState<readonly LedgerPage[]>([]);
  useEffect(() => setFurther([]), [first.data]);
  const pages = first.data ? [first.data, ...further] : [];
  const next = pages.at(-1)?.next;
  const more = useAction(async () => {
    setFurther([...further, await call("GET /v1/points/ledger", { query: { cursor: next ?? "" } })]);
  });
  const all = pages.flatMap(({ items }) => items);
  const entries = before === null ? all : entriesBefore(all, before);
  return (
    <section class="card stack" aria-labelledby="ledger">
      <h2 id="ledger">{t(before === null ? "ledger" : "ledgerPast")}</h2>
      <Problem error={first.error} retry={first.reload} />
      {first.data && entries.length === 0 && !next && <p class="quiet">{t(before === null ? "ledgerEmpty" : "ledgerPastEmpty")}</p>}
      <ol class="ledger" data-test="ledger">
        {entries.map((entry) => (
          <Entry key={entry.cause + entry.reason} entry={entry} />
        ))}
      </ol>
      {next && (
        <div class="row">
          <button disabled={more.busy} onClick={() => void more.run()}>
            {say("more")}
          </button>
        </div>
      )}
      <Problem error={more.error} retry={() => void more.run()} />
    </section>
  );
}

function Entry({ entry }: { readonly entry: ExplainedEntry }) {
  const { delta, state, reason, explanation, at } = entry;
  const person = explanation.person ?? t("someone");
  const points = `${delta > 0 ? "+" : ""}${number(delta)}`;
  return (
    <li>
      <details>
        <summary>
          <span class="grow break">
            {t(reason === "referral" && state !== "confirmed" ? "why_referral_unconfirmed" : `why_${reason}`, { person })}
            <span class="small quiet"> · {date(at)}</span>
          </span>
          {state !== "confirmed" && <span class={`tag ${state === "pending" ? "warn" : "quiet"}`}>{t(`entry_${state}`)}</span>}
          {state === "confirmed" && <strong class={delta < 0 ? "bad" : "good"}>{points}</strong>}
          {state === "pending" && <span class="quiet">{t("pointsIfConfirmed", { points })}</span>}
          {state === "void" && <s class="quiet">{points}</s>}
        </summary>
        <div class="stack small event">
          <p class="break">{explained(entry)}</p>
          {state === "pending" && <p>{t("pendingWhy")}</p>}
          {state === "void" && <p>{t("voidWhy")}</p>}
          <dl>
            <dt>{t("rule")}</dt>
            <dd>{ruleOf(entry)}</dd>
            <dt>{t("event")}</dt>
            <dd class="mono break">{entry.cause}</dd>
            <dt>{t("happened")}</dt>
            <dd>{moment(at)}</dd>
            {entry.settledAt ? (
              <>
                <dt>{t("settled")}</dt>
                <dd>{moment(entry.settledAt)}</dd>
              </>
            ) : null}
            {explanation.code && (
              <>
                <dt>{t("code")}</dt>
                <dd class="mono">{explanation.code}</dd>
              </>
            )}
          </dl>
          {explanation.inviteId && (
            <p>
              <a href="/app/invite">{t("toInvitation")}</a>
            </p>
          )}
        </div>
      </details>
    </li>
  );
}
