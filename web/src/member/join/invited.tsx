// The page behind the link of an invitation: nothing happens before the person answers.

import { useState } from "preact/hooks";
import { call, Refusal } from "../../shared/api";
import type { ReceivedInvitation } from "../../shared/description";
import { isPassing, Problem } from "../../shared/problem";
import { useAction, useResource } from "../../shared/resource";
import { session } from "../../shared/session";
import { moment } from "../../shared/words";
import { forget, remember, remembered, token } from "../joining";
import { go } from "../router";
import { t } from "../texts";
import { Title } from "../title";
import { SignInButtons } from "./signed-out";

type Answer = { readonly kind: "declined" } | { readonly kind: "accepted"; readonly invited: string; readonly hasSeat: boolean };

export function InvitedPage() {
  const held = token();
  const kept = remembered();
  return (
    <div class="narrow stack">
      <Title text={t("invitation")} />
      {held ? <Invitation key={held} token={held} /> : kept ? <Accepted invited={kept.invited} hasSeat /> : <p class="notice warn">{t("noToken")}</p>}
    </div>
  );
}

function Invitation({ token: held }: { readonly token: string }) {
  const found = useResource((signal) => call("POST /v1/invites/lookup", { body: { token: held }, signal }), [held]);
  const [answer, setAnswer] = useState<Answer | null>(null);
  if (answer?.kind === "declined") return <p class="notice">{t("declined")}</p>;
  if (answer?.kind === "accepted") return <Accepted invited={answer.invited} hasSeat={answer.hasSeat} />;
  if (found.data) return <Question invitation={found.data} token={held} answered={setAnswer} />;
  return <WhyNot error={found.error} retry={found.reload} />;
}

interface QuestionProps {
  readonly invitation: ReceivedInvitation;
  readonly token: string;
  readonly answered: (answer: Answer) => void;
}

function Question({ invitation, token: held, answered }: QuestionProps) {
  const accepting = useAction(async () => {
    const { useId, invited } = await call("POST /v1/invites/accept", { body: { token: held } });
    if (useId) remember({ useId, invited });
    if (useId && session.state.value === "signed-in") go("/app/welcome");
    else answered({ kind: "accepted", invited, hasSeat: useId !== null });
  });
  const declining = useAction(async () => {
    await call("POST /v1/invites/decline", { body: { token: held } });
    forget();
    answered({ kind: "declined" });
  });
  const busy = accepting.busy || declining.busy;
  return (
    <div class="card stack">
      <p class="lead break" data-test="question">
        {t("invitesYou", { inviter: invitation.inviter })}
      </p>
      <p class="quiet break">{t("invitedAs", { address: invitation.invited })}</p>
      <p class="quiet">{t("expires", { date: moment(invitation.expiresAt) })}</p>
      <div class="answers">
        <button disabled={busy} onClick={() => void accepting.run()}>
          {t("yes")}
        </button>
        <button disabled={busy} onClick={() => void declining.run()}>
          {t("no")}
        </button>
      </div>
      <p class="small quiet">{t("noMeans")}</p>
      {accepting.error !== undefined && <WhyNot error={accepting.error} retry={() => void accepting.run()} />}
      {declining.error !== undefined && <WhyNot error={declining.error} retry={() => void declining.run()} />}
    </div>
  );
}

function Accepted({ invited, hasSeat }: { readonly invited: string; readonly hasSeat: boolean }) {
  return (
    <div class="card stack" role="status">
      <p class="lead">{t("accepted")}</p>
      <p class="break">{hasSeat ? t("nowSignUp", { address: invited }) : t("noSeatYet")}</p>
      <SignInButtons returnTo="/app/welcome" />
    </div>
  );
}

/** Say why an invitation cannot be answered, and what the person can do instead. */
function WhyNot({ error, retry }: { readonly error: unknown; readonly retry: () => void }) {
  if (!error) return null;
  if (!(error instanceof Refusal) || isPassing(error)) return <Problem error={error} retry={retry} />;
  const known = ["not_found", "token_replaced", "invite_revoked", "invite_expired", "no_seat", "invite_accepted", "invite_declined"] as const;
  const code = error.status === 422 ? "not_found" : known.find((each) => each === error.code);
  return (
    <div class="notice warn stack" role="alert">
      <p>{code ? t(`link_${code}`) : error.detail}</p>
      <p>
        <a href="/app/join">{t("haveCode")}</a>
      </p>
    </div>
  );
}
