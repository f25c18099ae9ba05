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
const started = session.start(); // runs while the words are loaded and the frame is painted
await loadWords();
goLive();
render(<App />, document.getElementById("app")!);
await started;
// a sign-in that began on another page ends there
if (isElsewhere(location.pathname)) location.reload();
else path.value = location.pathname;
