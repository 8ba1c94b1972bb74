"""Whole episodes on fresh pages in a real browser: `python evaluate.py FOLDER OUT.json --episodes 100`.

Pages are live: the model's clicks and keys go through the browser's own input, and the page's own
state says whether the task was done, exactly: every named field holds its text, no other field
anything, the named boxes and no others are ticked, and the named button was the one pressed.
"""

import argparse
import json
import math
import random
import time
from pathlib import Path

import numpy

from agent import Agent
from browser import Browser, open_page_maker
from goals import Goal, Writer, next_move, usable

# What is measured: kinds of page, and which of the goals written for one count.
KINDS = {
    "click": ["flow", "text", "scattered", "dialog", "form", "ticks", "login"],
    "login": ["login"],
    "type": ["form"],
    "tick": ["ticks"],
    "combined": ["login", "login", "form"],
}
LOOKS = {"seen": None, "material": "material", "large": "large"}
FIRST_SEED = 700_000_000  # training's seeds lie below 100,000

STATE = """pages[0].elements.map((e, id) => ({id, kind: e.kind, name: e.name, value: e.kind == 'field' ? e.node.value : '',
  on: !!(e.box && e.box.checked), focused: document.activeElement == e.node}))"""
LISTEN = """window.pressed = []; pages[0].elements.forEach((e, id) => {
  if (e.kind != 'field') e.node.addEventListener('click', () => pressed.push(id)); else e.node.addEventListener('focus', () => pressed.push(id))}); 0"""


def counts(kind: str, goal: Goal, page: dict) -> bool:
    """Whether a goal is one of this kind."""
    deeds = [step.deed for step in goal.steps]
    fields = sum(element["kind"] == "field" for element in page["elements"])
    match kind:
        case "click":
            return goal.kind.startswith("click/")
        case "login":
            return goal.kind == "login"
        case "type":
            return deeds.count("fill") == 1 and "tick" not in deeds and fields >= 2 and goal.steps[0].named is not None
        case "tick":
            return "tick" in deeds and "press" in deeds and "fill" not in deeds and all(step.element["kind"] != "radio" for step in goal.steps)
        case _:
            return "fill" in deeds and "tick" in deeds and "press" in deeds


def fresh_task(browser: Browser, words: dict, kind: str, look: str | None, seed: int) -> tuple[dict, Goal] | None:
    """A page nobody has touched and a goal on it, or nothing if this seed has none of the kind."""
    chance = random.Random(seed)
    wanted = {"kind": chance.choice(KINDS[kind]), "fresh": True} | ({"look": look} if look else {})
    (page,) = json.loads(browser.evaluate(f"drawMontage({seed}, 1, 1, {json.dumps(wanted)})"))
    if not all(element["whole"] for element in page["elements"]) and kind != "click":
        return None
    writer = Writer(chance, words)
    goals = writer.clicks(page) if kind == "click" else writer.tasks(page)
    goals = [goal for goal in goals if usable(goal) and counts(kind, goal, page) and next_move(goal).tool == "click"]
    if not goals:
        return None
    browser.evaluate(LISTEN)
    return page, chance.choice(goals)


def fulfilled(state: list[dict], goal: Goal) -> bool:
    """Whether fields and boxes are exactly as the goal wants them."""
    values = {step.element["id"]: step.value for step in goal.steps if step.deed == "fill"}
    ticked = {step.element["id"] for step in goal.steps if step.deed == "tick"}
    return all(
        element["value"] == values.get(element["id"], "") if element["kind"] == "field" else element["on"] == (element["id"] in ticked)
        for element in state
        if element["kind"] in ("field", "check", "radio")
    )


def episode(agent: Agent, browser: Browser, goal: Goal, think: bool) -> tuple[bool, str, list[str]]:
    """Whether it succeeded, how it ended, and what was done."""
    done = []
    target = goal.steps[-1].element["id"] if goal.steps[-1].deed == "press" else None
    single = goal.kind.startswith("click/")
    most = 1 if single else sum(2 if step.deed == "fill" else 1 for step in goal.steps) + 3
    seen = set()
    for _ in range(most):
        screenshot = browser.screenshot()
        if (look := screenshot.tobytes()) in seen:  # the same screen gets the same answer, for ever
            return False, "stuck", done
        seen.add(look)
        call = agent.act(screenshot, goal.text, think)
        done.append(f"{call.thought} > " * think + {"click": f"click {call.x},{call.y}", "type_text": f"type {call.text}", "finish": "finish"}[call.tool])
        if call.tool == "finish":
            return not single and target is None and fulfilled(browser.evaluate(STATE), goal), "finished", done
        if call.tool == "click":
            browser.click(call.x, call.y)
        else:
            browser.type_text(call.text)
        state, pressed = browser.evaluate(STATE), browser.evaluate("pressed")
        if single:
            return target in pressed, "clicked", done
        final = [element for element in pressed if state[element]["kind"] in ("button", "link")]
        if final:
            return final[0] == target and fulfilled(state, goal), "pressed", done
    return False, "ran out of steps", done


def interval(successes: int, total: int) -> tuple[float, float]:
    """Wilson's 95% interval of a success rate."""
    z, rate = 1.96, successes / total
    middle = (rate + z * z / (2 * total)) / (1 + z * z / total)
    spread = z * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return round(middle - spread, 3), round(middle + spread, 3)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--episodes", type=int, default=100, help="of each kind and look")
    arguments.add_argument("--kinds", default=",".join(KINDS))
    arguments.add_argument("--looks", default=",".join(LOOKS))
    arguments.add_argument("--think", action="store_true")
    arguments.add_argument("--first-seed", type=int, default=FIRST_SEED, help="of the pages: other pages than were looked at before")
    arguments.add_argument("--words", type=Path, default=Path("work/words.json"))
    options = arguments.parse_args()
    words = json.loads(options.words.read_text())
    agent, browser = Agent(options.folder), open_page_maker(160, 208, words)
    report = {}
    for kind in options.kinds.split(","):
        for look in options.looks.split(","):
            seed = options.first_seed + 1_000_000 * (list(KINDS).index(kind) * 10 + list(LOOKS).index(look))
            results, failures, started = [], [], time.time()
            while len(results) < options.episodes:
                seed += 1
                task = fresh_task(browser, words, kind, LOOKS[look], seed)
                if not task:
                    continue
                success, ending, done = episode(agent, browser, task[1], options.think)
                results.append((success, len(done)))
                if not success:
                    failures.append({"seed": seed, "page": task[0]["kind"], "task": task[1].text, "ending": ending, "done": done})
            successes = sum(success for success, _ in results)
            report[f"{kind}/{look}"] = {
                "episodes": len(results), "success": round(successes / len(results), 3), "interval": interval(successes, len(results)),
                "steps": round(float(numpy.mean([steps for _, steps in results])), 2), "failures": failures[:25],
            }
            print(f"{kind} {look}: {successes}/{len(results)} in {time.time() - started:.0f} s", flush=True)
            report["milliseconds a step"] = round(1000 * float(numpy.median(agent.seconds)))
            options.out.write_text(json.dumps({"think": options.think, **report}, indent=1))
    browser.close()


if __name__ == "__main__":
    main()
