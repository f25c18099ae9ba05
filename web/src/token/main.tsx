// Start the token page.

import "./token.css";
import { render } from "preact";
import { Frame } from "../shared/frame";
import { applyTheme } from "../shared/preferences";
import { session } from "../shared/session";
import { say } from "../shared/texts";
import { loadWords } from "../shared/words";

function TokenPage() {
  return (
    <Frame links={[{ address: "/app/", text: say("home") }, { address: "/app/token/", text: say("tokens") }]} current="/app/token/">
      <h1>{say("tokens")}</h1>
    </Frame>
  );
}

applyTheme();
await Promise.all([loadWords(), session.start()]);
render(<TokenPage />, document.getElementById("app")!);
