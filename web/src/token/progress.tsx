// Show how far the first analysis of a token is.

import type { AnalysisView } from "../shared/description";
import { say } from "./texts";

const STEPS = ["queued", "syncing", "analysing", "done"] as const;

export function JobProgress({ job }: { readonly job: AnalysisView | null }) {
  const state = job?.state ?? "queued";
  const current = STEPS.indexOf(state as (typeof STEPS)[number]);
  const progress = job?.progress;
  const total = progress ? progress.head - progress.fromBlock + 1 : 0;
  const read = progress ? Math.max(0, progress.toBlock - progress.fromBlock + 1) : 0;
  return (
    <section class="card stack" aria-labelledby="job">
      <h2 id="job">{say("jobTitle")}</h2>
      <ol class="steps" aria-live="polite">
        {STEPS.map((step, index) => (
          <li key={step} aria-current={step === state ? "step" : undefined} class={index < current ? "good" : index === current ? "current" : "quiet"}>
            {say(`job_${step}`)}
          </li>
        ))}
      </ol>
      {state === "syncing" && total > 0 && (
        <>
          <progress max={total} value={read} aria-label={say("job_syncing")} />
          <p class="small quiet">{say("jobBlocks", { read, total, transfers: progress?.transfers ?? 0 })}</p>
        </>
      )}
      <p class="small quiet">{say("jobLeave")}</p>
    </section>
  );
}

/** The progress of a newer report, in one line. */
export function Renewal({ job }: { readonly job: AnalysisView }) {
  return (
    <p class="small quiet" role="status">
      {say("renewing")} {job.state !== "done" && job.state !== "failed" ? say(`job_${job.state}`) : ""}
    </p>
  );
}
