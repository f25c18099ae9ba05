// Show the seats that a member can give: used, pending and free.

import { t } from "../texts";

const MOST_DOTS = 60;

interface SeatsProps {
  readonly used: number;
  readonly pending: number;
  readonly total: number;
  /** Whether the page shows points of a past day, of which the seats are not. */
  readonly isPast: boolean;
}

export function Seats({ used, pending, total, isPast }: SeatsProps) {
  const free = Math.max(0, total - used - pending);
  const kinds = [...Array<string>(used).fill("used"), ...Array<string>(pending).fill("pending"), ...Array<string>(free).fill("free")];
  return (
    <section class="card stack" aria-labelledby="seats">
      <h2 id="seats">{t("seats")}</h2>
      {total <= MOST_DOTS && (
        <div class="seats" aria-hidden="true">
          {kinds.map((kind, index) => (
            <span key={index} class={`seat ${kind}`} />
          ))}
        </div>
      )}
      <ul class="row" data-test="seats">
        <li>{t("seatsUsed", { n: used })}</li>
        <li>{t("seatsPending", { n: pending })}</li>
        <li>{t("seatsFree", { n: free })}</li>
      </ul>
      {isPast && <p class="small quiet">{t("seatsToday")}</p>}
      {pending > 0 && <p class="small quiet">{t("seatsPendingWhy")}</p>}
      {free === 0 && <p class="small quiet">{t("seatsNone")}</p>}
    </section>
  );
}
