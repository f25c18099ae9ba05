// After sign-up: take the seat that was reserved, and say what it means.

import { useState } from "preact/hooks";
import { call, Refusal } from "../../shared/api";
import { Problem } from "../../shared/problem";
import { useResource } from "../../shared/resource";
import { session } from "../../shared/session";
import { say } from "../../shared/texts";
import { forget, remembered, token } from "../joining";
import { t } from "../texts";
import { Title } from "../title";

export function WelcomePage() {
  const [joining] = useState(remembered);
  const taken = useResource(async (signal) => {
    if (!joining) return null;
    const held = token();
    const { state } = await call("POST /v1/referral/uses/{use_id}/confirm", {
      path: { use_id: joining.useId },
      body: held ? { invitationToken: held } : {},
      key: `confirm-${joining.useId}-${session.subject.value}`,
      signal,
    });
    forget();
    return state;
  }, []);
  return (
    <div class="narrow stack">
      <Title text={t("welcome")} />
      {taken.busy && <p class="quiet">{t("takingSeat")}</p>}
      {!taken.busy && taken.error === undefined && (
        <p class="notice good" role="status" data-test="joined">
          {t(`joined_${taken.data ?? "alone"}`)}
        </p>
      )}
      {taken.error !== undefined && <NotTaken error={taken.error} invited={joining?.invited ?? ""} retry={taken.reload} />}
      {!taken.busy && (
        <p>
          <a class="button" href="/app/">
            {t("toHome")}
          </a>
        </p>
      )}
    </div>
  );
}

function NotTaken({ error, invited, retry }: { readonly error: unknown; readonly invited: string; readonly retry: () => void }) {
  const isOther = error instanceof Refusal && (error.status === 404 || error.code === "other_address_invited");
  if (!isOther) return <Problem error={error} retry={retry} />;
  return (
    <div class="notice warn stack" role="alert">
      <p class="break">{t("otherPerson", { email: session.email.value, invited })}</p>
      <div class="row">
        <button onClick={() => void session.signOut()}>{say("signOut")}</button>
      </div>
    </div>
  );
}
