// Read the people to invite from pasted text or from a file.

export interface Row {
  readonly email: string;
  readonly note: string;
  readonly locale: string;
}

export const MOST_ROWS = 200;
const COLUMNS = ["email", "note", "locale"] as const;

/** Return the rows of a text: one address per line, or a table with the columns email, note and locale. */
export function rowsOf(text: string): readonly Row[] {
  const lines = cellsOf(text.replace(/^\uFEFF/, ""), separatorOf(text)).filter((cells) => cells.some((cell) => cell.trim()));
  const first = lines[0]?.map((cell) => cell.trim().toLowerCase()) ?? [];
  const hasHeader = first.includes("email");
  const order: readonly string[] = hasHeader ? first : COLUMNS;
  return lines.slice(hasHeader ? 1 : 0).map((cells) => {
    const value = (column: (typeof COLUMNS)[number]) => cells[order.indexOf(column)]?.trim() ?? "";
    return { email: value("email"), note: value("note"), locale: value("locale") };
  });
}

/** Return whether a row can be an address; the API decides. */
export function looksComplete({ email }: Row): boolean {
  return /^[^\s@]+@[^\s@]+\.[^\s@.]+$/.test(email);
}

/** Decode a file: UTF-8 or UTF-16, or what Windows writes where it is neither. */
export async function textOf(file: Blob): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

function separatorOf(text: string): string {
  const line = text.split("\n", 1)[0] ?? "";
  return ["\t", ";", ","].find((each) => line.includes(each)) ?? ",";
}

/** Split a text into the cells of its lines; a quoted cell may contain separators and line breaks. */
function cellsOf(text: string, separator: string): string[][] {
  const lines: string[][] = [[]];
  let cell = "";
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const each = text[at]!;
    if (quoted) {
      if (each !== '"') cell += each;
      else if (text[at + 1] === '"') cell += text[(at += 1)];
      else quoted = false;
    } else if (each === '"' && cell.trim() === "") [quoted, cell] = [true, ""];
    else if (each === separator) [cell] = ["", lines.at(-1)!.push(cell)];
    else if (each === "\n") [cell] = ["", lines.at(-1)!.push(cell), lines.push([])];
    else if (each !== "\r") cell += each;
  }
  lines.at(-1)!.push(cell);
  return lines;
}
