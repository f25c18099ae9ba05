// Switch parts of the picture on and off, and say what its marks mean.

import { number } from "../shared/words";
import { type Top, TOPS } from "./address";
import type { Switches } from "./model";
import { savePicture } from "./map";
import { picture, show, shown } from "./store";
import { say } from "./texts";

const NAMES = ["infrastructure", "evidence", "transfers", "areas"] as const satisfies readonly (keyof Switches)[];

export function Controls() {
  return (
    <div class="spread">
      <fieldset class="row switches">
        <legend class="visually-hidden">{say("switches")}</legend>
        {NAMES.map((name) => (
          <label key={name} class="row">
            <input type="checkbox" checked={shown.value[name]} onChange={({ currentTarget }) => show({ [name]: currentTarget.checked })} />
            {say(`switch_${name}`)}
          </label>
        ))}
        <label class="row">
          {say("top")}
          <select class="compact" value={shown.value.top} onChange={({ currentTarget }) => show({ top: currentTarget.value as Top })}>
            {TOPS.map((top) => (
              <option key={top} value={top}>
                {number(Number(top))}
              </option>
            ))}
          </select>
        </label>
      </fieldset>
      <button class="compact" onClick={() => void savePicture()}>
        {say("savePicture")}
      </button>
    </div>
  );
}

export function Legend() {
  const { areas, infrastructure } = shown.value;
  return (
    <p class="small quiet">
      {say(areas ? "areasTrue" : "areasFlattened")} {say(infrastructure ? "legendInfrastructure" : "legendCirculating")} {say("legendMarks")}
      {picture.value?.older && ` ${say("differenceLegend")}`}
    </p>
  );
}
