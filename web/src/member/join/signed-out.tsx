// What people see who are not signed in.

import { config } from "../../shared/config";
import { Problem } from "../../shared/problem";
import { useResource } from "../../shared/resource";
import { session } from "../../shared/session";
import { say } from "../../shared/texts";
import { t } from "../texts";
import { Title } from "../title";

export function SignedOutPage() {
  return (
    <div class="narrow stack">
      <Title text={t("hello")} />
      <p>{t("helloMore")}</p>
      <SignInButtons />
      <p class="small quiet">
        <a href="/app/join">{t("haveCode")}</a>
      </p>
    </div>
  );
}

/** Buttons that lead to the sign-in pages, and return to `returnTo`. */
export function SignInButtons({ returnTo }: { readonly returnTo?: string }) {
  const settings = useResource(() => config(), []);
  if (settings.error) return <Problem error={settings.error} retry={settings.reload} />;
  if (settings.data?.signInOrigin === "") return <p class="notice bad">{t("noSignIn")}</p>;
  return (
    <div class="row">
      {settings.data?.signUp && (
        <button class="primary" onClick={() => void session.signIn(returnTo, "signup")}>
          {say("signUp")}
        </button>
      )}
      <button class={settings.data?.signUp ? "" : "primary"} onClick={() => void session.signIn(returnTo)}>
        {say("signIn")}
      </button>
    </div>
  );
}
