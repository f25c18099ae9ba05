// List invitations: where each one is, and what can be done about it.

import { useEffect, useState } from "preact/hooks";
import { call } from "../../shared/api";
import type { InvitationDetails, InvitationList } from "../../shared/description";
import { Problem } from "../../shared/problem";
import { useAction, useResource } from "../../shared/resource";
import { say } from "../../shared/texts";
import { date, moment } from "../../shared/words";
import { invitations } from "../live";
import { t } from "../texts";
import { Timeline } from "./timeline";

const FILTERS = ["all", "open", "accepted", "ended"] as const;
type Filter = (typeof FILTERS)[number];
const OPEN: ReadonlySet<string> = new Set(["requested", "sent", "delivered"]);

export function Invitations({ sent }: { readonly sent: number }) {
  const loaded = useResource((signal) => call("GET /v1/invites", { query: {}, signal }), [sent, invitations.value]);
  const [further, setFurther] = useState<readonly InvitationList[]>([]);
  const [filter, setFilter] = useState<Filter>("all");
  useEffect(() => setFurther([]), [loaded.data]);
  const first = loaded.data ?? invitations.value;
  const pages = first ? [first, ...further] : [];
  const next = pages.at(-1)?.next;
  const more = useAction(async () => {
    setFurther([...further, await call("GET /v1/invites", { query: { cursor: next ?? "" } })]);
  });
  const shown = pages.flatMap(({ items }) => items).filter((each) => belongs(each, filter));
  return (
    <section class="card stack" aria-labelledby="invitations">
      <div class="spread">
        <h2 id="invitations">{t("invitations")}</h2>
        <div class="segments" role="group" aria-label={t("filter")}>
          {FILTERS.map((each) => (
            <button key={each} aria-pressed={each === filter} onClick={() => setFilter(each)}>
              {t(`filter_${each}`)}
            </button>
          ))}
        </div>
      </div>
      <Problem error={loaded.error} retry={loaded.reload} />
      {first && shown.length === 0 && <p class="quiet">{t(filter === "all" ? "noInvitations" : "noneHere")}</p>}
      <ol class="invitations" data-test="invitations">
        {shown.map((each) => (
          <Invitation key={each.inviteId} invitation={each} reload={loaded.reload} />
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

function belongs({ state }: InvitationDetails, filter: Filter): boolean {
  if (filter === "all") return true;
  if (filter === "accepted") return state === "accepted";
  return OPEN.has(state) === (filter === "open") && state !== "accepted";
}

function Invitation({ invitation, reload }: { readonly invitation: InvitationDetails; readonly reload: () => void }) {
  const { inviteId, email, state, seat, expiresAt, resendsLeft, resendableAt } = invitation;
  const [asks, setAsks] = useState(false);
  const left = useSecondsUntil(resendableAt);
  const path = { invite_id: inviteId };
  const resending = useAction(async () => {
    await call("POST /v1/invites/{invite_id}/resend", { path, body: {} });
    reload();
  });
  const revoking = useAction(async () => {
    await call("DELETE /v1/invites/{invite_id}", { path });
    setAsks(false);
    reload();
  });
  const isOpen = OPEN.has(state);
  return (
    <li class="stack">
      <div class="spread">
        <strong class="break">{email}</strong>
        <span class={`tag ${tone(invitation)}`}>{seat === "refused" ? t("state_no_seat") : t(`state_${state}`)}</span>
      </div>
      <Timeline invitation={invitation} />
      {isOpen && <p class="small quiet">{t("expires", { date: date(expiresAt) })}</p>}
      {seat === "refused" && <p class="small">{t("noSeatWhy")}</p>}
      {isOpen && (
        <div class="row">
          {resendableAt !== null && (
            <button class="compact" disabled={left > 0 || resending.busy} onClick={() => void resending.run()}>
              {t("resend", { n: resendsLeft })}
            </button>
          )}
          {left > 0 && resendableAt !== null && (
            <span class="small quiet">{t("resendFrom", { time: moment(resendableAt) })}</span>
          )}
          {!asks && (
            <button class="compact danger" onClick={() => setAsks(true)}>
              {t("revoke")}
            </button>
          )}
          {asks && (
            <>
              <span>{t("revokeSure")}</span>
              <button class="compact danger" disabled={revoking.busy} onClick={() => void revoking.run()}>
                {t("revokeYes")}
              </button>
              <button class="compact" onClick={() => setAsks(false)}>
                {t("revokeNo")}
              </button>
            </>
          )}
        </div>
      )}
      <Problem error={resending.error} retry={() => void resending.run()} />
      <Problem error={revoking.error} retry={() => void revoking.run()} />
    </li>
  );
}

function tone({ state, seat }: InvitationDetails): string {
  if (state === "accepted") return seat === "refused" ? "warn" : "good";
  return state === "bounced" || state === "failed" || state === "declined" ? "bad" : OPEN.has(state) ? "" : "quiet";
}

/** Count the seconds until a moment, by the clock of this machine. */
function useSecondsUntil(moment: number | null): number {
  const remaining = () => Math.max(0, (moment ?? 0) - Math.floor(Date.now() / 1000));
  const [left, setLeft] = useState(remaining);
  useEffect(() => {
    setLeft(remaining());
    if (!moment || remaining() === 0) return;
    const timer = setInterval(() => setLeft(remaining()), remaining() > 3600 ? 60_000 : 1000);
    return () => clearInterval(timer);
  }, [moment]);
  return left;
}
