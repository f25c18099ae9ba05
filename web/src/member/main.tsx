// Start the member pages.

import "./member.css";
import { render } from "preact";
import { applyTheme } from "../shared/preferences";
import { session } from "../shared/session";
import { loadWords } from "../shared/words";
import { App } from "./app";
import { takeToken } from "./joining";
import { goLive } from "./live";
import { followLinks, path } from "./router";

takeToken();
applyTheme();
followLinks();
await Promise.all([loadWords(), session.start()]);
path.value = location.pathname;
goLive();
render(<App />, document.getElementById("app")!);
