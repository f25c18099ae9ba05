// The leaderboard: around the member or from the top, of all time, this month, or a past month.

import { useEffect, useState } from "preact/hooks";
import { call } from "../../shared/api";
import type { LeaderboardPage, LeaderboardRow } from "../../shared/description";
import { Problem } from "../../shared/problem";
import { useAction, useResource } from "../../shared/resource";
import { say } from "../../shared/texts";
import { date, moment, number } from "../../shared/words";
import { changes, connected, pointsAndRank } from "../live";
import { t } from "../texts";
import { Title } from "../title";
import { Appearance } from "./appearance";

const SHOWN = 25;
type Period = "all" | "month";

export function BoardPage() {
  const [period, setPeriod] = useState<Period>("all");
  const [isTop, setTop] = useState(false);
  const [past, setPast] = useState<number | null>(null);
  const [saves, setSaves] = useState(0);
  const months = useResource((signal) => call("GET /v1/leaderboard/months", { query: {}, signal }), []);
  const query = past !== null ? { period: "month" as const, at: past } : { period, limit: SHOWN, ...(!isTop && { around: "me" as const }) };
  const loaded = useResource((signal) => call("GET /v1/leaderboard", { query, signal }), [period, isTop, past, past ? 0 : changes.value, saves]);
  return (
    <div class="stack">
      <Title text={say("board")} />
      <section class="card stack" aria-label={say("board")}>
        <div class="row">
          <div class="segments" role="group" aria-label={t("period")}>
            {(["all", "month"] as const).map((each) => (
              <button
                key={each}
                aria-pressed={past === null && each === period}
                onClick={() => {
                  setPeriod(each);
                  setPast(null);
                }}
              >
                {t(`period_${each}`)}
              </button>
            ))}
          </div>
          {past === null && (
            <div class="segments" role="group" aria-label={t("part")}>
              <button aria-pressed={!isTop} onClick={() => setTop(false)}>
                {t("aroundMe")}
              </button>
              <button aria-pressed={isTop} onClick={() => setTop(true)}>
                {t("top")}
              </button>
            </div>
          )}
          {months.data && months.data.items.length > 0 && (
            <select class="compact" aria-label={t("pastMonth")} value={past ?? ""} onChange={({ currentTarget }) => setPast(currentTarget.value ? Number(currentTarget.value) : null)}>
              <option value="">{t("pastMonth")}</option>
              {months.data.items.map(({ board, at }) => (
                <option key={board} value={at}>
                  {date(at - 1, { month: "long", year: "numeric", timeZone: "UTC" })}
                </option>
              ))}
            </select>
          )}
        </div>
        <Problem error={loaded.error} retry={loaded.reload} />
        {loaded.data && <Board first={loaded.data} isLive={past === null} canGoOn={isTop && past === null} period={period} showTop={isTop || past !== null ? null : () => setTop(true)} />}
      </section>
      <Appearance done={() => setSaves((before) => before + 1)} />
    </div>
  );
}

interface BoardProps {
  readonly first: LeaderboardPage;
  readonly isLive: boolean;
  readonly canGoOn: boolean;
  readonly period: Period;
  /** Show the board from the top; null if it is. */
  readonly showTop: (() => void) | null;
}

function Board({ first, isLive, canGoOn, period, showTop }: BoardProps) {
  const [further, setFurther] = useState<readonly LeaderboardPage[]>([]);
  useEffect(() => setFurther([]), [first]);
  const next = further.at(-1)?.next ?? first.next;
  const more = useAction(async () => {
    setFurther([...further, await call("GET /v1/leaderboard", { query: { period, limit: SHOWN, cursor: next ?? "" } })]);
  });
  const rows = [first, ...further].flatMap(({ items }) => items);
  const isBehind = isLive && period === "all" && pointsAndRank.value?.boardPosition && first.me && pointsAndRank.value.rank !== first.me.rank;
  return (
    <>
      {rows.length === 0 && <p class="quiet">{t("boardEmpty")}</p>}
      {rows.length > 0 && (
        <table class="board">
          <caption class="small quiet">
            {t("boardOf", { n: first.total })} {t("asOf", { time: moment(first.asOf) })} {isLive && (connected.value ? `· ${t("live")}` : `· ${t("notLive")}`)}
          </caption>
          <thead>
            <tr>
              <th scope="col">{t("rank")}</th>
              <th scope="col">{t("member")}</th>
              <th scope="col" class="number">
                {t("points")}
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row, index) => (
              <Row key={`${row.rank}-${index}`} row={row} />
            ))}
            {first.me && !rows.some(({ isMe }) => isMe) && <Row row={first.me} />}
          </tbody>
        </table>
      )}
      {showTop && first.me && rows.length < first.total && (
        <div class="row">
          <span class="small quiet">{t("boardAround")}</span>
          <button class="compact" onClick={showTop}>
            {t("showTop")}
          </button>
        </div>
      )}
      {!first.me && <p class="notice">{t("notOnBoard")}</p>}
      {isBehind && <p class="small quiet">{t("boardUpdating")}</p>}
      {canGoOn && next && (
        <div class="row">
          <button disabled={more.busy} onClick={() => void more.run()}>
            {say("more")}
          </button>
        </div>
      )}
      <Problem error={more.error} retry={() => void more.run()} />
    </>
  );
}

function Row({ row }: { readonly row: LeaderboardRow }) {
  return (
    <tr class={row.isMe ? "me" : ""} {...(row.isMe && { "data-test": "me" })}>
      <td>{number(row.rank)}</td>
      <td class="break">
        {row.anonymous && !row.isMe ? <i class="quiet">{t("aMember")}</i> : <bdi>{row.displayName}</bdi>} {row.isMe && <span class="tag">{t("you")}</span>}{" "}
        {row.isMe && row.anonymous && <span class="tag">{t("hiddenFromOthers")}</span>}
      </td>
      <td class="number">{number(row.points)}</td>
    </tr>
  );
}
