// Start the member pages.

import "./member.css";
import { render } from "preact";
import { Frame } from "../shared/frame";
import { applyTheme } from "../shared/preferences";
import { session } from "../shared/session";
import { say } from "../shared/texts";
import { loadWords } from "../shared/words";

function App() {
  return (
    <Frame links={[{ address: "/app/", text: say("home") }]} current="/app/">
      <h1>{say("home")}</h1>
    </Frame>
  );
}

applyTheme();
await Promise.all([loadWords(), session.start()]);
render(<App />, document.getElementById("app")!);
