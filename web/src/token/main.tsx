// Start the token page: search for a token, or show its map.

import "./token.css";
import { useEffect } from "preact/hooks";
import { render } from "preact";
import { Frame } from "../shared/frame";
import { applyTheme } from "../shared/preferences";
import { Problem } from "../shared/problem";
import { Refusal } from "../shared/api";
import { useAction } from "../shared/resource";
import { session } from "../shared/session";
import { say as sayShared } from "../shared/texts";
import { loadWords, moment } from "../shared/words";
import { pathOf, queryOf, type Token } from "./address";
import { Announcement, Copy, Detail } from "./detail";
import { Controls, Legend } from "./controls";
import { TokenCanvas } from "./map";
import { shownName } from "./model";
import { Flags, Metrics, Quality, Supply, Suspicions } from "./numbers";
import { JobProgress, Renewal } from "./progress";
import { RecentTokens, Search } from "./search";
import { chains, chainsError, isNewer, load, loadChains, phase, picture, refresh, renewal, show, shown, shownAt, token } from "./store";
import { Distributions, Table } from "./table";
import { say } from "./texts";
import { Timeline } from "./time";
import { Tree } from "./tree";

const SPELLED = /\b0x[0-9a-fA-F]{40}\b/;

const LINKS = [
  ["/app/", "home"],
  ["/app/invite", "invite"],
  ["/app/board", "board"],
  ["/app/token/", "tokens"],
] as const;

function TokenPage() {
  return (
    <Frame links={session.state.value === "signed-in" ? LINKS.map(([address, text]) => ({ address, text: sayShared(text) })) : []} current="/app/token/">
      <div class="stack">{token.value ? <TokenView wanted={token.value} /> : <Start />}</div>
    </Frame>
  );
}

function Start() {
  useEffect(() => void (document.title = `${say("startTitle")} · Vouch`));
  return (
    <>
      <h1>{say("startTitle")}</h1>
      <p class="quiet">{say("startHint")}</p>
      <section class="card stack">
        <Search />
        {chainsError.value !== null && <Problem error={chainsError.value} retry={() => void loadChains()} />}
        {chains.value.length > 0 && !chains.value.some(({ available }) => available) && <p class="notice warn">{say("noChains")}</p>}
      </section>
      <RecentTokens />
    </>
  );
}

function TokenView({ wanted }: { readonly wanted: Token }) {
  const isSignedOut = session.state.value === "signed-out";
  useEffect(() => {
    if (!isSignedOut) void load();
  }, [isSignedOut]);
  if (isSignedOut) return <SignIn />;
  const state = phase.value;
  return (
    <>
      <Title wanted={wanted} />
      {state.kind === "loading" && <p role="status">{sayShared("loading")}</p>}
      {state.kind === "job" && <JobProgress job={state.job} />}
      {state.kind === "failed" && <Failure error={state.error} chain={wanted.chain} />}
      {state.kind === "ready" && <Report />}
      {state.kind !== "ready" && (
        <section class="card">
          <Search />
        </section>
      )}
    </>
  );
}

function SignIn() {
  return (
    <section class="card stack">
      <h1>{say("startTitle")}</h1>
      <p>{say("signInHint")}</p>
      <p class="row">
        <button class="primary" onClick={() => void session.signIn()}>
          {sayShared("signIn")}
        </button>
      </p>
    </section>
  );
}

function Title({ wanted }: { readonly wanted: Token }) {
  const map = picture.value?.model.map;
  const names = map ? [map.token.name, map.token.symbol].filter((name) => name !== null).map(shownName) : [];
  useEffect(() => void (document.title = `${names[1] ?? names[0] ?? say("startTitle")} · Vouch`));
  return (
    <div class="spread">
      <div class="stack-tight">
        <h1 class="break" data-test="token-name">
          {map ? (
            <>
              <bdi>{names[0] ?? say("unnamed")}</bdi> {names[1] !== undefined && <bdi class="quiet">{names[1]}</bdi>}
            </>
          ) : (
            say("startTitle")
          )}
        </h1>
        <p class="small quiet break">
          {wanted.chain} · <span class="mono">{map?.tokenAddress ?? wanted.address}</span>
        </p>
        {map && (
          <p class="small quiet" data-test="as-of">
            {say("blockAt", { block: map.asOf.block, time: moment(map.asOf.timestamp) })} · {say("computed", { time: moment(map.computedAt) })}
          </p>
        )}
      </div>
      {map && <Refresh wanted={wanted} />}
    </div>
  );
}

/** Copy a link to the shown report, which stays the same, or request a newer one. */
function Refresh({ wanted }: { readonly wanted: Token }) {
  const again = useAction(refresh);
  return (
    <div class="stack-tight">
      <div class="row">
        <Copy text={location.origin + pathOf(wanted) + queryOf({ ...shown.value, at: shownAt.value })} label={say("copyLink")} />
        <button class="compact" data-test="analyse-again" onClick={() => void again.run()} disabled={again.busy || renewal.value !== null}>
          {say("analyseAgain")}
        </button>
      </div>
      {renewal.value && <Renewal job={renewal.value} />}
      <Problem error={again.error} retry={() => void again.run()} />
    </div>
  );
}

function Failure({ error, chain }: { readonly error: unknown; readonly chain: string }) {
  const spelled = error instanceof Refusal && error.code === "invalid_checksum" ? SPELLED.exec(error.detail)?.[0] : undefined;
  return (
    <>
      <Problem error={error} retry={() => void load()} />
      {spelled && (
        <p>
          {say("didYouMean")} <a href={pathOf({ chain, address: spelled })} class="mono break">{spelled}</a>
        </p>
      )}
    </>
  );
}

function Report() {
  const map = picture.value?.model.map;
  if (!map) return null;
  const isVerified = map.quality.balancesVerified;
  return (
    <>
      {isNewer.value && (
        <p class="notice good row" role="status">
          {say("newerReport")}
          <button onClick={() => newest()}>{say("showNewer")}</button>
        </p>
      )}
      {!isVerified && <Quality map={map} />}
      <Timeline />
      <div class="workspace">
        <div class="stack">
          <section class="card stack" aria-labelledby="map-title">
            <h2 id="map-title">{say("mapTitle")}</h2>
            <Controls />
            <TokenCanvas />
            <Legend />
          </section>
        </div>
        <div class="stack">
          <Tree />
          <Detail />
        </div>
      </div>
      <Announcement />
      <div class="grid two">
        <Flags map={map} />
        <Supply map={map} />
      </div>
      <Metrics map={map} />
      <Suspicions map={map} />
      <Distributions />
      <Table />
      {isVerified && <Quality map={map} />}
    </>
  );
}

function newest(): void {
  show({ at: null, from: null });
  void load();
}

/** Let `/` lead to the search of holders, from everywhere except from text fields. */
addEventListener("keydown", (event) => {
  const isTyping = (event.target as HTMLElement | null)?.closest("input, textarea, select");
  const field = document.getElementById("tree-search");
  if (event.key !== "/" || isTyping || !field) return;
  event.preventDefault();
  field.focus();
});

applyTheme();
void loadChains();
await Promise.all([loadWords(), session.start()]);
render(<TokenPage />, document.getElementById("app")!);
