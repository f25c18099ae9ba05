// Dates and numbers are written as in the reader's region.

import assert from "node:assert/strict";
import { test } from "node:test";
import { localeOf } from "../../src/shared/locale";

test("the browser's region is used within the language", () => {
  assert.equal(localeOf("en", ["en-GB", "en", "en-US"]), "en-GB");
  assert.equal(localeOf("de", ["en-GB", "de-AT"]), "de-AT");
});

test("a language that the browser does not name has no region", () => {
  assert.equal(localeOf("fr", ["en-GB", "fr"]), "fr");
});
