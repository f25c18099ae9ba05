// Load what the page shows: reports, their history, layouts and differences.

import { computed, effect, signal } from "@preact/signals";
import { call, receive, Refusal, seconds } from "../shared/api";
import type { Accepted, AnalysisView, Chain, ReportDiff, ReportMetrics, TokenMap } from "../shared/description";
import { follow } from "../shared/events";
import { pathOf, queryOf, type Shown, shownIn, type Token, tokenIn } from "./address";
import { marks as marksOf } from "./colours";
import { type Difference, differenceOf } from "./difference";
import type { Scene } from "./draw";
import { layoutOf } from "./layouts";
import { type Model, modelOf, packingOf, type Switches } from "./model";
import type { Layout } from "./packing";
import { remember } from "./recent";

export type Phase =
  | { readonly kind: "loading" }
  | { readonly kind: "job"; readonly job: AnalysisView | null }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "ready" };

interface Picture {
  readonly model: Model;
  readonly layout: Layout;
  readonly older: { readonly model: Model; readonly layout: Layout; readonly difference: Difference } | null;
}

/** Age in seconds from which a report is renewed. */
const STALE = 3 * 3600;
const MOST_RUNS = "500";
const DIFF_TRIES = 10;
/** Times, a second apart, that the page asks for an analysis that it has requested. */
const RUN_TRIES = 60;
/** Failures that another analysis may not repeat. */
const PASSING = new Set(["provider_unavailable", "chain_unsettled"]);
/** Milliseconds after which the address of the page follows what is shown. */
const ADDRESS_DELAY = 200;

export const token = signal<Token | null>(tokenIn(location.pathname));
export const shown = signal<Shown>(shownIn(location.search));
export const phase = signal<Phase>({ kind: "loading" });
export const chains = signal<readonly Chain[]>([]);
export const chainsError = signal<unknown>(null);
export const runs = signal<readonly ReportMetrics[]>([]);
export const picture = signal<Picture | null>(null);
export const diff = signal<ReportDiff | null>(null);
export const isChanging = signal(false);
export const changeError = signal<unknown>(null);
export const hovered = signal<string | null>(null);
export const isNewer = signal(false);
/** The analysis of a newer report, while an older one is shown. */
export const renewal = signal<AnalysisView | null>(null);
const marks = signal<ReadonlyMap<string, number>>(new Map());

export const scene = computed<Scene | null>(() => {
  if (!picture.value) return null;
  const { model, layout, older } = picture.value;
  return { model, layout, switches: shown.value, marks: marks.value, selected: shown.value.selected, hovered: hovered.value, difference: older?.difference ?? null, older: older?.layout ?? null };
});

export const explorer = computed(() => {
  const id = picture.value?.model.map.chainId;
  return chains.value.find(({ chainId }) => chainId === id)?.explorer ?? null;
});

/** The time of the shown report. */
export const shownAt = computed(() => picture.value?.model.map.computedAt ?? null);

let models = new Map<number, Model>();
let base: { readonly model: Model; readonly layout: Layout } | null = null;
let loading = new AbortController();
let changes = 0;

export async function loadChains(): Promise<void> {
  try {
    chains.value = (await call("GET /v1/chains", {})).items;
    chainsError.value = null;
  } catch (error) {
    chainsError.value = error;
  }
}

/** Load the newest report of the page's token, or wait for its first analysis. */
export async function load(): Promise<void> {
  const wanted = token.value;
  loading.abort();
  loading = new AbortController();
  const { signal: stop } = loading;
  if (!wanted) return;
  phase.value = { kind: "loading" };
  isNewer.value = false;
  models = new Map();
  try {
    const map = await firstMap(wanted, stop);
    const model = modelOf(map);
    models.set(map.computedAt, model);
    base = { model, layout: await layoutOf(packingOf(model, shown.value)) };
    marks.value = marksOf([...model.clusters.keys()]);
    runs.value = (await call("GET /v1/tokens/cluster/{chain}/{token_address}/history", { path: pathTo(wanted), query: { limit: MOST_RUNS } })).items;
    await arrange();
    phase.value = { kind: "ready" };
    remember(wanted, map);
    if (Date.now() / 1000 - map.computedAt > STALE) renew(wanted, stop).catch(showError);
  } catch (error) {
    if (!stop.aborted) phase.value = { kind: "failed", error };
  }
}

/** Return the newest map; the first one may have to be made, which the page shows. */
async function firstMap(wanted: Token, stop: AbortSignal): Promise<TokenMap> {
  for (;;) {
    const { data, status } = await receive("GET /v1/tokens/cluster/{chain}/{token_address}/map", { path: pathTo(wanted), query: { top: shown.value.top }, signal: stop });
    if (status !== 202) return data as TokenMap;
    const job = await ended((data as unknown as Accepted).job?.id ?? "", stop, (each) => (phase.value = { kind: "job", job: each }));
    if (job?.state === "failed") throw failureOf(job);
    stop.throwIfAborted();
  }
}

/** Return a failed analysis as a refusal; those that another one would not repeat can be tried again. */
function failureOf({ code, detail }: AnalysisView): Refusal {
  return new Refusal(PASSING.has(code ?? "") ? 503 : 422, code ?? "failed", detail ?? "");
}

/** Follow a job to its end, and return how it ended. */
async function ended(id: string, stop: AbortSignal, onChange: (job: AnalysisView | null) => void): Promise<AnalysisView | null> {
  let last: AnalysisView | null = null;
  onChange(null);
  await follow("GET /v1/jobs/{job_id}/events", {
    path: { job_id: id },
    signal: stop,
    onEvent: ({ event, data }) => {
      if (event !== "job") return;
      last = JSON.parse(data) as AnalysisView;
      onChange(last);
    },
  });
  return last;
}

/** Let the gateway replace a stale report, and offer the newer one. */
async function renew(wanted: Token, stop: AbortSignal): Promise<void> {
  const report = await call("GET /v1/tokens/cluster/{chain}/{token_address}", { path: pathTo(wanted), query: { fields: "numClusters" } });
  const job = "freshness" in report ? report.freshness?.jobId : null;
  if (job) await offerNewer(job, stop);
}

/** Request a new analysis. Raises `Refusal`. */
export async function refresh(): Promise<void> {
  if (!token.value) return;
  const accepted = await call("POST /v1/tokens/cluster/{chain}/{token_address}/refresh", { path: pathTo(token.value), body: {} });
  await offerNewer(accepted.job?.id ?? "", loading.signal);
}

async function offerNewer(job: string, stop: AbortSignal): Promise<void> {
  const before = runs.value[0]?.computedAt ?? 0;
  for (let tries = 0; tries < RUN_TRIES && !stop.aborted; tries += 1) {
    const last = await ended(job, stop, (each) => (renewal.value = each)).finally(() => (renewal.value = null));
    if (last && last.requestedAt > before) {
      if (last.state === "failed") throw failureOf(last);
      isNewer.value = !stop.aborted;
      return;
    }
    // the stream still shows the analysis before
    await seconds(1, stop).catch(() => undefined);
  }
  if (!stop.aborted) throw new Refusal(503, "not_started", "");
}

/** Change what is shown; reports and layouts follow. */
export function show(changed: Partial<Shown>): void {
  const before = shown.value;
  shown.value = { ...before, ...changed };
  const names: readonly (keyof Shown)[] = ["at", "from", "infrastructure", "areas"];
  if (before.top !== shown.value.top) void load();
  else if (names.some((name) => before[name] !== shown.value[name])) void rearrange(isPackedOtherwise(before, shown.value));
}

/** Repeat the last change, which was refused. */
export function retryChange(): void {
  void rearrange(true);
}

function isPackedOtherwise(one: Switches, other: Switches): boolean {
  return one.infrastructure !== other.infrastructure || one.areas !== other.areas;
}

async function rearrange(packAgain: boolean): Promise<void> {
  if (!base) return;
  isChanging.value = true;
  changeError.value = null;
  try {
    if (packAgain) base = { model: base.model, layout: await layoutOf(packingOf(base.model, shown.value)) };
    await arrange();
  } catch (error) {
    changeError.value = error;
  } finally {
    isChanging.value = false;
  }
}

/** Load the shown report and the one it is compared with, and lay both out close to the newest. */
async function arrange(): Promise<void> {
  changes += 1;
  const change = changes;
  const current = await laidOut(shown.value.at);
  const compared = shown.value.from === null ? null : await laidOut(shown.value.from);
  const older = compared && compared.model.map.computedAt < current.model.map.computedAt ? compared : null;
  if (change !== changes) return;
  marks.value = marksOf([...current.model.clusters.keys()], marks.value);
  picture.value = { ...current, older: older && { ...older, difference: differenceOf(older.model, current.model) } };
  diff.value = null;
  if (older) compare(older.model, current.model, change).catch(showError);
}

async function laidOut(at: number | null): Promise<{ model: Model; layout: Layout }> {
  const newest = base as { model: Model; layout: Layout };
  const model = at === null ? newest.model : await modelAt(at);
  return { model, layout: model === newest.model ? newest.layout : await layoutOf(packingOf(model, shown.value), newest.layout) };
}

async function modelAt(at: number): Promise<Model> {
  const run = runs.value.find(({ computedAt }) => computedAt <= at)?.computedAt ?? at;
  const known = models.get(run);
  if (known) return known;
  const map = (await call("GET /v1/tokens/cluster/{chain}/{token_address}/map", { path: pathTo(token.value as Token), query: { at: String(run), top: shown.value.top } })) as TokenMap;
  const model = modelOf(map);
  models.set(run, model);
  models.set(map.computedAt, model);
  return model;
}

/** Ask how clusters changed; the first comparison of two reports takes a moment. */
async function compare(older: Model, newer: Model, change: number): Promise<void> {
  const [from, to] = [String(older.map.computedAt), String(newer.map.computedAt)];
  for (let tries = 0; tries < DIFF_TRIES && change === changes; tries += 1) {
    const { data, status } = await receive("GET /v1/tokens/cluster/{chain}/{token_address}/diff", { path: pathTo(token.value as Token), query: { from, to } });
    if (status !== 202) {
      if (change === changes) diff.value = data as ReportDiff;
      return;
    }
    await seconds(1);
  }
}

function showError(error: unknown): void {
  changeError.value = error;
}

function pathTo({ chain, address }: Token): { chain: string; token_address: string } {
  return { chain, token_address: address };
}

let timer: ReturnType<typeof setTimeout> | undefined;
effect(() => {
  const [path, query] = [token.value && pathOf(token.value), queryOf(shown.value)];
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (path && location.pathname + location.search !== path + query && tokenIn(location.pathname)) history.replaceState(null, "", path + query);
  }, ADDRESS_DELAY);
});
