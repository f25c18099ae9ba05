// Show points and rank, how they have changed, and how they were on any past day.

import { useState } from "preact/hooks";
import { call, versionOf } from "../../shared/api";
import { Chart } from "../../shared/chart";
import { counted, DAY, endOf, type Point } from "../../shared/days";
import type { ChartResponse, InviteStatsResponse } from "../../shared/description";
import { Problem } from "../../shared/problem";
import { useResource } from "../../shared/resource";
import { date, language, moment, number } from "../../shared/words";
import { changes, connected, pointsAndRank } from "../live";
import { t } from "../texts";

const SPANS = { "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY } as const;
type Window = keyof typeof SPANS;

interface ProgressProps {
  readonly first: InviteStatsResponse | null | undefined;
  /** A past day, such as 2026-11-15, or an empty text for now. */
  readonly day: string;
  readonly chooseDay: (day: string) => void;
}

export function Progress({ first, day, chooseDay }: ProgressProps) {
  const [window, setWindow] = useState<Window | "all">("7d");
  const at = day ? endOf(day) : undefined;
  const span = window === "all" ? "30d" : window;
  const stats = useResource((signal) => call("GET /v1/referral/stats", { query: { window: span, ...(at && { at }) }, signal }), [span, at, at ? 0 : changes.value], first);
  const shown = stats.data;
  return (
    <section class="card stack" aria-labelledby="progress">
      <div class="spread">
        <h2 id="progress">{day ? t("asItWas", { date: date(counted(at ?? 0), { dateStyle: "medium", timeZone: "UTC" }) }) : t("progress")}</h2>
        <DayPicker day={day} choose={chooseDay} />
      </div>
      <Problem error={stats.error} retry={stats.reload} />
      {shown && <Numbers stats={shown} isPast={Boolean(day)} window={shown.meta.window as Window} />}
      <div class="segments" role="group" aria-label={t("window")}>
        {([...Object.keys(SPANS), "all"] as (Window | "all")[]).map((each) => (
          <button key={each} aria-pressed={each === window} onClick={() => setWindow(each)}>
            {t(`window_${each}`)}
          </button>
        ))}
      </div>
      {shown && window !== "all" && <Charts points={shown.inviteChart.pointsChart} rank={shown.inviteChart.rankChart} to={shown.meta.asOf} from={shown.meta.asOf - SPANS[shown.meta.window as Window]} />}
      {window === "all" && <AllTime to={at} marked={at} />}
    </section>
  );
}

function DayPicker({ day, choose }: { readonly day: string; readonly choose: (day: string) => void }) {
  const today = new Date().toISOString().slice(0, 10);
  return (
    <div class="row">
      <label class="small" for="day">
        {t("asItWasOn")}
      </label>
      <input id="day" class="compact" type="date" max={today} value={day} onChange={({ currentTarget }) => choose(currentTarget.value < today ? currentTarget.value : "")} />
      {day && (
        <button class="plain" onClick={() => choose("")}>
          {t("now")}
        </button>
      )}
    </div>
  );
}

interface NumbersProps {
  readonly stats: InviteStatsResponse;
  readonly isPast: boolean;
  readonly window: Window;
}

function Numbers({ stats, isPast, window }: NumbersProps) {
  // points and rank are of one position: both of the events, or both of the statistics
  const latest = isPast ? null : pointsAndRank.value;
  const live = latest && versionOf(latest.position) >= versionOf(stats.meta.position) ? latest : null;
  const shownPoints = live ? live.points : stats.points;
  const pending = live ? live.pending : stats.meta.pending;
  const shownRank = live ? live.rank : stats.rank;
  const total = live ? live.total : stats.totalRank;
  return (
    <>
      <dl class="numbers">
        <div>
          <dt>{t("points")}</dt>
          <dd class="big" data-test="points">
            {number(shownPoints)}
          </dd>
          <dd class="small">
            <Change value={stats.pointsDifference} window={window} />
          </dd>
        </div>
        <div>
          <dt>{t("rank")}</dt>
          <dd class="big" data-test="rank">
            {shownRank !== null ? ordinal(shownRank) : total === null && !isPast ? "…" : t("noRank")}
          </dd>
          <dd class="small">
            {shownRank !== null && total !== null && <span class="quiet">{t("rankOf", { total })} · </span>}
            <RankChange value={stats.rankDifference} window={window} />
          </dd>
        </div>
        <div>
          <dt>{t("invitedPeople")}</dt>
          <dd class="big">{number(live ? live.invited : stats.invited)}</dd>
          <dd class="small quiet">{t("ofSeats", { n: stats.totalInvites })}</dd>
        </div>
      </dl>
      {pending > 0 && <p class="notice">{t("pendingPoints", { n: pending })}</p>}
      <p class="small quiet" data-test="position">
        {isPast ? t("asOfDay") : t("asOf", { time: moment(stats.meta.asOf) })} {isPast ? "" : connected.value ? `· ${t("live")}` : `· ${t("notLive")}`}
        <span class="visually-hidden"> {live ? live.position : stats.meta.position}</span>
      </p>
    </>
  );
}

function Change({ value, window }: { readonly value: number; readonly window: Window }) {
  const text = `${value > 0 ? "+" : ""}${number(value)}`;
  return <span class={value > 0 ? "good" : value < 0 ? "bad" : "quiet"}>{t("since", { change: text, window: t(`last_${window}`) })}</span>;
}

function RankChange({ value, window }: { readonly value: number | null; readonly window: Window }) {
  if (value === null) return <span class="quiet">{t("rankUnknown")}</span>;
  if (value === 0) return <span class="quiet">{t("rankSame", { window: t(`last_${window}`) })}</span>;
  return <span class={value < 0 ? "good" : "bad"}>{t(value < 0 ? "rankUp" : "rankDown", { n: Math.abs(value), window: t(`last_${window}`) })}</span>;
}

/** Load the values of all midnights of a year. */
function AllTime({ to, marked }: { readonly to: number | undefined; readonly marked: number | undefined }) {
  const end = to ?? Math.floor(Date.now() / 1000);
  const from = end - 360 * DAY;
  const charts = useResource((signal) => call("GET /v1/referral/chart", { query: { from: Math.floor(from / DAY) * DAY, step: "1d", ...(to && { to }) }, signal }), [to]);
  if (!charts.data) return charts.error ? <Problem error={charts.error} retry={charts.reload} /> : null;
  const first = charts.data.points?.data[0]?.timestamp ?? from;
  return <Charts points={charts.data.points ?? null} rank={charts.data.rank ?? null} from={first} to={end} marked={marked} />;
}

interface ChartsProps {
  readonly points: ChartResponse | null;
  readonly rank: ChartResponse | null;
  readonly from: number;
  readonly to: number;
  readonly marked?: number | undefined;
}

function Charts({ points: earned, rank: ranks, from, to, marked }: ChartsProps) {
  const common = { from, to, table: t("asTable"), marked: marked ?? null };
  return (
    <div class="grid two">
      <div>
        <h3>{t("points")}</h3>
        <Chart {...common} title={t("points")} points={valuesOf(earned)} longest={Infinity} empty={t("noPointsYet")} columns={[t("day"), t("points")]} />
      </div>
      <div>
        <h3>{t("rank")}</h3>
        <Chart {...common} title={t("rank")} points={valuesOf(ranks)} longest={1.5 * DAY} reversed empty={t("noRanksYet")} columns={[t("day"), t("rank")]} />
      </div>
    </div>
  );
}

function valuesOf(chart: ChartResponse | null): readonly Point[] {
  return (chart?.data ?? []).map(({ timestamp, value }) => ({ at: timestamp, value }));
}

function ordinal(place: number): string {
  if (language.value === "de") return `${number(place)}.`;
  if (language.value === "fr") return place === 1 ? "1er" : `${number(place)}e`;
  const suffix = { one: "st", two: "nd", few: "rd", other: "th", zero: "th", many: "th" }[new Intl.PluralRules("en", { type: "ordinal" }).select(place)];
  return `${number(place)}${suffix}`;
}
