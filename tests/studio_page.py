"""What tests of the studio's page do on it, and a script that finds what overlaps."""

from musicfusion.studio import examples
from musicfusion.systems import declarations

FAST = "connective_fusion"  # the system for what all of them have in common
HEAD = "X:1\nM:4/4\nL:1/4\nQ:1/4=160\nK:C\n"
PAIR = {"left": f"{HEAD}E E F G|G F E D|C C D E|E3/ D/ D2|", "right": f"{HEAD}C E G E|F A c A|G F E D|C4|"}
CONTROLS = "button, input:not([type=file]), select, a[href], summary, [role=tab], [role=slider]"


def open_tab(page, system: str) -> None:
    """Goes to a system's tab, which may stand in the menu of those that have no room."""
    name = declarations()[system].title.partition(":")[0]
    tab = page.locator(f"[role=tab]:text-is('{name}')")
    if not tab.is_visible():
        page.click(".overflow-menu > button")
        tab = page.locator(f".overflow-dropdown button:text-is('{name}')")
    tab.click()
    page.wait_for_selector(f"#{system}-fuse:visible")


def upload(page, system: str, files: dict) -> None:
    for name, path in files.items():
        page.set_input_files(f"#{system}-{name} input[type=file]", path)
        page.wait_for_selector(f"#{system}-{name} .file-preview, #{system}-{name} table")


def upload_pair(page, folder, system: str = FAST) -> None:
    """Two short tunes."""
    for name, tune in PAIR.items():
        (folder / f"{name}.abc").write_text(tune)
    upload(page, system, {name: folder / f"{name}.abc" for name in PAIR})


def fuse(page, system: str = FAST) -> str:
    """Presses Fuse; what is said in the end."""
    watch(page, system)
    page.click(f"#{system}-fuse:enabled")
    return said(page, system)


def watch(page, system: str = FAST) -> None:
    """From now on it is known whether work began, however soon it is over."""
    page.eval_on_selector(f"#{system}-status", """(root) => {
      delete root.dataset.begun;
      new MutationObserver((changes, observer) => {
        if (changes.some((one) => [...one.addedNodes].some((added) => added.localName === 'progress'))) {
          root.dataset.begun = '';
          observer.disconnect();
        }
      }).observe(root, { childList: true, subtree: true });
    }""")


def said(page, system: str = FAST) -> str:
    """What is said in the end of the work that began since `watch`."""
    return page.wait_for_selector(f"#{system}-status[data-begun] :is([role=status], [role=alert])").inner_text()


def take_example(page, system: str, label: str = "") -> None:
    page.click(f".studio-examples button:visible:has-text('{label or examples.EXAMPLES[system][0].label}')")
    page.wait_for_selector(f"#{system}-fuse:disabled", state="detached")


OVERLAPS = """(selector) => {
  const boxes = [...document.querySelectorAll(selector)]
    .filter((one) => one.checkVisibility({ visibilityProperty: true }))
    .filter((one) => !one.closest('.mf-scroll, .visually-hidden, [aria-hidden=true]'))
    .map((one) => [one, one.getBoundingClientRect()]).filter(([, box]) => box.width > 1 && box.height > 1);
  return boxes.flatMap(([one, a], k) => boxes.slice(k + 1).filter(([other, b]) =>
    !one.contains(other) && !other.contains(one)
    && Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1)
    .map(([other]) => `${one.outerHTML.slice(0, 90)} over ${other.outerHTML.slice(0, 90)}`));
}"""
