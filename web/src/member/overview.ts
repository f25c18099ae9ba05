// Load what the first screen shows, with one request.

import { call, Refusal } from "../shared/api";
import type { Overview } from "../shared/description";
import { session } from "../shared/session";
import { showAccount, showPointsAndRank } from "./live";

let loading: { readonly person: string | null; readonly screen: Promise<Overview> } | null = null;

/** Load the overview; callers at the same time share one request. Raises `Refusal`. */
export function loadOverview(): Promise<Overview> {
  const person = session.subject.value;
  if (loading?.person !== person) {
    const screen = call("GET /v1/me/overview", {}).then(shown);
    const request = { person, screen };
    loading = request;
    // all who ask before it may be repeated get the same refusal
    screen.catch((error: unknown) => setTimeout(() => loading === request && (loading = null), pauseOf(error)));
  }
  return loading!.screen;
}

/** Load the overview for a page that now shows it: the next page loads a new one. */
export async function takeOverview(): Promise<Overview> {
  const overview = await loadOverview();
  loading = null;
  return overview;
}

/** Milliseconds until a request may be repeated, less what a timer may be late. */
function pauseOf(error: unknown): number {
  return error instanceof Refusal ? Math.max(0, 1000 * error.retryAfter - 500) : 0;
}

function shown(overview: Overview): Overview {
  showAccount(overview.account);
  const { stats } = overview;
  if (stats) {
    const { points, rank, invited, totalRank: total, meta } = stats;
    showPointsAndRank({ points, rank, invited, total, pending: meta.pending, position: meta.position, boardPosition: meta.boardPosition ?? null });
  }
  return overview;
}
