// Invite: by mail, one or many, and what became of each invitation.

import { useState } from "preact/hooks";
import { say } from "../../shared/texts";
import { t } from "../texts";
import { Title } from "../title";
import { BulkForm } from "./bulk";
import { InviteForm } from "./form";
import { Invitations } from "./list";

export function InvitePage() {
  const [many, setMany] = useState(false);
  const [sent, setSent] = useState(0);
  const done = () => setSent(sent + 1);
  return (
    <div class="stack">
      <Title text={say("invite")} />
      <section class="card stack" aria-labelledby="form">
        <div class="spread">
          <h2 id="form">{many ? t("inviteMany") : t("inviteOne")}</h2>
          <div class="segments" role="group" aria-label={t("howMany")}>
            <button aria-pressed={!many} onClick={() => setMany(false)}>
              {t("onePerson")}
            </button>
            <button aria-pressed={many} onClick={() => setMany(true)}>
              {t("manyPeople")}
            </button>
          </div>
        </div>
        {many ? <BulkForm done={done} /> : <InviteForm done={done} />}
      </section>
      <Invitations sent={sent} />
    </div>
  );
}
