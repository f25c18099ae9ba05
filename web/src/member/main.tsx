// Start the member pages.

import "./member.css";
import { render } from "preact";
import { applyTheme } from "../shared/preferences";
import { session } from "../shared/session";
import { loadWords } from "../shared/words";
import { App } from "./app";
import { takeToken } from "./joining";
import { goLive } from "./live";
import { followLinks, isElsewhere, path } from "./router";

takeToken();
applyTheme();
followLinks();
await Promise.all([loadWords(), session.start()]);
// a sign-in that began on another page ends there
if (isElsewhere(location.pathname)) location.reload();
else {
  path.value = location.pathname;
  goLive();
  render(<App />, document.getElementById("app")!);
}
