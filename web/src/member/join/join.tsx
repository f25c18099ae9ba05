// Join with a referral code: check it, reserve a seat, then sign up.

import { useState } from "preact/hooks";
import { call, Refusal } from "../../shared/api";
import { Problem } from "../../shared/problem";
import { useAction } from "../../shared/resource";
import { session } from "../../shared/session";
import { remember, remembered } from "../joining";
import { Field } from "../field";
import { go } from "../router";
import { t } from "../texts";
import { Title } from "../title";
import { proving } from "./proof";
import { SignInButtons } from "./signed-out";

export function JoinPage() {
  const [code, setCode] = useState(new URLSearchParams(location.search).get("code") ?? "");
  const [email, setEmail] = useState("");
  const [reserved, setReserved] = useState(remembered());
  const isSignedIn = session.state.value === "signed-in";
  const user = isSignedIn ? session.email.value : email;
  const reserving = useAction(async () => {
    const { valid } = await proving((headers) => call("GET /v1/referral/valid", { query: { referral_code: code }, headers }));
    if (!valid && !isSignedIn) throw new Refusal(409, "code_not_usable", t("codeNotUsable"));
    const seat = await proving((headers) => call("POST /v1/referral/uses", { body: { referralCode: code, user }, signed: isSignedIn, headers }));
    const joining = { useId: seat.useId, invited: user };
    remember(joining);
    if (isSignedIn) go("/app/welcome");
    else setReserved(joining);
  });
  const wrong = (field: string) => (reserving.error instanceof Refusal ? reserving.error.errors.find((each) => each.field === field)?.detail : undefined);
  if (reserved && !isSignedIn) {
    return (
      <div class="narrow stack">
        <Title text={t("join")} />
        <div class="card stack" role="status">
          <p class="lead">{t("seatReserved")}</p>
          <p class="break">{t("nowSignUp", { address: reserved.invited })}</p>
          <SignInButtons returnTo="/app/welcome" />
          <div class="row">
            <button class="plain" onClick={() => setReserved(null)}>
              {t("otherCode")}
            </button>
          </div>
        </div>
      </div>
    );
  }
  return (
    <div class="narrow stack">
      <Title text={t("join")} />
      <form
        class="card stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void reserving.run();
        }}
      >
        <p>{t("joinMore")}</p>
        <Field id="code" label={t("code")} hint={t("codeHint")} wrong={wrong("referralCode")}>
          {(described) => <input id="code" class="mono" autocapitalize="characters" autocomplete="off" spellcheck={false} maxLength={32} value={code} onInput={({ currentTarget }) => setCode(currentTarget.value)} {...described} />}
        </Field>
        {!isSignedIn && (
          <Field id="email" label={t("yourEmail")} hint={t("yourEmailHint")} wrong={wrong("user")}>
            {(described) => <input id="email" type="email" autocomplete="email" maxLength={254} value={email} onInput={({ currentTarget }) => setEmail(currentTarget.value)} {...described} />}
          </Field>
        )}
        {isSignedIn && <p class="quiet break">{t("signedInAs", { email: user })}</p>}
        <div class="row">
          <button class="primary" disabled={reserving.busy || !code || !user}>
            {t("joinNow")}
          </button>
          {reserving.busy && <span class="quiet">{t("checking")}</span>}
        </div>
        <Problem error={reserving.error} />
      </form>
    </div>
  );
}
