// Choose the page, and make sure that its reader is signed in and has an account.

import { useSignalEffect } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { call, Refusal } from "../shared/api";
import type { UsersEntry } from "../shared/description";
import { Frame } from "../shared/frame";
import { Problem } from "../shared/problem";
import { useResource } from "../shared/resource";
import { session } from "../shared/session";
import { say } from "../shared/texts";
import { BoardPage } from "./board/board";
import { HomePage } from "./home/home";
import { InvitePage } from "./invite/invite";
import { InvitedPage } from "./join/invited";
import { JoinPage } from "./join/join";
import { SignedOutPage } from "./join/signed-out";
import { WelcomePage } from "./join/welcome";
import { account, reconnect, showAccount } from "./live";
import { loadOverview } from "./overview";
import { path } from "./router";
import { t } from "./texts";
import { Title } from "./title";

export function App() {
  const current = path.value.replace(/(.)\/$/, "$1");
  const links = [
    { address: "/app/", text: say("home") },
    { address: "/app/invite", text: say("invite") },
    { address: "/app/board", text: say("board") },
    { address: "/app/token/", text: say("tokens") },
  ];
  return (
    <Frame links={session.state.value === "signed-in" ? links : []} current={path.value}>
      {pageOf(current)}
    </Frame>
  );
}

function pageOf(current: string) {
  switch (current) {
    case "/app":
    case "/app/signed-in":
      return <Member title={say("home")} isHome>{() => <HomePage />}</Member>;
    case "/app/invite":
      return <Member title={say("invite")}>{() => <InvitePage />}</Member>;
    case "/app/board":
      return <Member title={say("board")}>{() => <BoardPage />}</Member>;
    case "/app/invited":
      return <InvitedPage />;
    case "/app/join":
      return <JoinPage />;
    case "/app/welcome":
      return <Member title={t("welcome")}>{() => <WelcomePage />}</Member>;
    default:
      return (
        <div class="stack">
          <Title text={t("notFound")} />
          <p>
            <a href="/app/">{t("toHome")}</a>
          </p>
        </div>
      );
  }
}

/** Content for members; anyone else is asked to sign in, and gets an account on the first visit. */
function Member({ title, isHome = false, children }: { readonly title: string; readonly isHome?: boolean; readonly children: () => ComponentChildren }) {
  const [opened, setOpened] = useState(account.value !== null);
  useSignalEffect(() => {
    if (account.value) setOpened(true);
  });
  if (session.state.value === "starting") return <p class="quiet">{say("loading")}</p>;
  if (session.state.value === "signed-out") return <SignedOutPage />;
  return opened ? children() : <OpenAccount title={title} isHome={isHome} done={() => setOpened(true)} />;
}

function OpenAccount({ title, isHome, done }: { readonly title: string; readonly isHome: boolean; readonly done: () => void }) {
  const opened = useResource(async (signal) => {
    showAccount(await ownAccount(isHome, signal));
    reconnect();
    done();
  }, []);
  return (
    <div class="stack">
      <Title text={title} />
      {opened.error ? <Problem error={opened.error} retry={opened.reload} /> : <p class="quiet">{say("loading")}</p>}
    </div>
  );
}

async function ownAccount(isHome: boolean, signal: AbortSignal): Promise<UsersEntry> {
  try {
    return isHome ? (await loadOverview()).account : await call("GET /v1/me", { signal });
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== "no_account") throw error;
    return call("POST /v1/me", { key: `open-${session.subject.value}`, signal });
  }
}
