"""Use a page with the keyboard alone, and check that people see where they are."""

from typing import Any

FOCUSED = """() => {
  const element = document.activeElement;
  const {outlineStyle, outlineWidth} = getComputedStyle(element);
  const text = element.getAttribute("aria-label") ?? element.labels?.[0]?.textContent
    ?? element.textContent ?? "";
  const isNowhere = element === document.body;  // between the last element and the first
  return {name: isNowhere ? "" : text.trim(),
    visible: isNowhere || (outlineStyle !== "none" && outlineWidth !== "0px")};
}"""
MOST_STOPS = 80


async def focused(page: Any) -> str:
    """Return the name of the element that has the focus."""
    name: str = (await page.evaluate(FOCUSED))["name"]
    return name


async def tab_to(page: Any, name: str) -> None:
    """Press Tab until the element with this name has the focus, which each stop shows."""
    for _ in range(MOST_STOPS):
        await page.keyboard.press("Tab")
        found = await page.evaluate(FOCUSED)
        assert found["visible"], f"the focus on {found['name']!r} is not visible"
        if found["name"] == name:
            return
    raise AssertionError(f"{name} cannot be reached with Tab")


async def choose(page: Any, name: str, key: str = "Enter") -> None:
    """Go to an element with Tab, and press a key there."""
    await tab_to(page, name)
    await page.keyboard.press(key)


async def sign_in(page: Any, email: str, password: str) -> None:
    """Sign in on the hosted page, which is not part of this project."""
    await page.locator("[name=username]").focus()
    await page.keyboard.type(email)
    await page.locator("[name=password]").focus()
    await page.keyboard.type(password)
    await page.keyboard.press("Enter")
