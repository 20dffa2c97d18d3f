"""A run as HTML: its plan, where it stands, its verdict, its examples and its settings."""

from collections.abc import Iterable, Sequence
from html import escape

from app import run_facts
from app.records import AlignPlan, LeftOut, RunView
from app.run_facts import Progress
from app.text import calibration as words
from app.text import local_time
from app.text import runs as say
from app.views.tables import empty, facts, figures_table
from gem_backend.config import RunConfig
from gem_backend.ranking import answers_match
from gem_backend.runner import ACTIVE
from gem_backend.types import BeforeAfter, Candidate, Evaluation, RunResult

# --- before the run --------------------------------------------------------------------------


def plan_panel(plan: AlignPlan) -> str:
    """Return in words what the run would do, and what is in its way."""
    config = plan.config
    rows = [
        (words.METHOD, _strong(words.method_words(config.method, config.ranking))),
        ("Pairs that train", _strong(say.counted(plan.num_train, "pair"))),
        ("Left out", _left_out(plan.left_out)),
        ("Held out, to check", _strong(say.counted(plan.num_held_out, "pair"))),
        ("Prompts to sample from", _strong(say.counted(plan.num_pool, "prompt"))),
        ("Model on disk", escape(say.model_size(plan.model_bytes))),
        ("Device", escape(plan.device)),
        ("Memory", escape(_memory(plan))),
        ("Expected time", escape(say.expected_time(plan.expected_s, plan.expected_from_runs))),
    ]
    if plan.num_ahead:
        rows.append(("Begins", escape(say.behind(plan.num_ahead))))
    return obstacle(plan.obstacle) + facts(rows)


def _memory(plan: AlignPlan) -> str:
    expected = plan.memory
    return say.expected_memory(expected.low, expected.high) if expected else say.MEMORY_NOT_KNOWN


def said(sentence: str) -> str:
    """Return a sentence as HTML in which no n is parted from its number at a line's end."""
    return escape(sentence).replace("n = ", "n&nbsp;=&nbsp;")


def _strong(words: str) -> str:
    return f"<b>{escape(words)}</b>"


def _left_out(groups: Sequence[LeftOut]) -> str:
    if not groups:
        return escape(say.NOTHING_LEFT_OUT)
    total = _strong(say.counted(sum(group.count for group in groups), "pair"))
    reasons = "".join(f"<li>{group.count:,}: {escape(group.reason)}</li>" for group in groups)
    return f"{total}<ul>{reasons}</ul>"


def obstacle(sentence: str) -> str:
    """Return why the run cannot start, empty when it can."""
    return notice(say.CANNOT_START, escape(sentence)) if sentence else ""


def notice(title: str, body: str) -> str:
    """Return a boxed message; ``body`` is HTML already."""
    mark = '<span class="gem-mark" aria-hidden="true">!</span>'
    return f'<div class="gem-notice"><p>{mark}<b>{escape(title)}</b></p><p>{body}</p></div>'


def example_text(example: str) -> str:
    """Return the example exactly as the model will see it, line breaks and spaces kept."""
    if not example:
        return empty(say.EXAMPLE_EMPTY)
    return f'<pre class="gem-verbatim" tabindex="0">{escape(example)}</pre>'


# --- during the run --------------------------------------------------------------------------


def live_panel(view: RunView | None) -> str:
    """Return where the run stands: words first, then the bar; for a failure, the end of the log."""
    if view is None:
        return empty(say.NO_RUN_YET)
    state = view.summary.status.state
    parts = [
        f'<h2 class="gem-title">{escape(say.STATE_TITLES[state])}</h2>',
        f'<p role="status" class="gem-state">{escape(state_sentence(view))}</p>',
    ]
    if state not in ("done", "queued"):
        parts += [_bar(view), _memory_line(view)]
    if state == "failed" and view.log_tail:
        parts.append(fold(say.LOG_TITLE, view.log_tail))
    return f'<section class="gem-live gem-is-{state}">{"".join(parts)}</section>'


def state_sentence(view: RunView) -> str:
    """Return where a run stands, in one sentence."""
    state = view.summary.status.state
    if state == "running":
        return _phase_sentence(view)
    if state == "failed":
        return run_facts.end_message(view) or say.FAILED_WITHOUT_REASON
    if state == "stopped":  # the worker says what it kept
        return run_facts.end_message(view) or say.STOPPED
    if state == "done":
        return _done_sentence(view.summary.result)
    words = {
        "queued": _waiting_sentence(view),
        "stopping": say.STOPPING,
        "interrupted": say.INTERRUPTED,
    }
    return words[state]


def _waiting_sentence(view: RunView) -> str:
    if view.num_ahead is not None:
        return say.waits(view.num_ahead)
    return say.WAITING if view.summary.status.host else say.WAITING_ELSEWHERE


def _done_sentence(result: RunResult | None) -> str:
    verdict = say.VERDICT_TITLES[result.verdict] + " " if result else ""
    return verdict + say.SEE_RESULTS


def _phase_sentence(view: RunView) -> str:
    now = run_facts.progress(view.events)
    if now is None:
        return say.WAITING
    if now.phase == "before":
        return _before_sentence(view.config, now)
    if now.phase == "after":
        return say.AFTER_PHASE
    if now.phase == "sft":
        num_pairs = _num_training(view)
        return say.sft_phase(num_pairs, now.epoch, view.config.sft.num_passes(num_pairs))
    if view.config.method != "gem":
        steps = run_facts.series(view.events, "baseline_step", "loss")
        return words.rival_phase(view.config.method, len(steps))
    return _round_sentence(view.config, now)


def _before_sentence(config: RunConfig, now: Progress) -> str:
    is_learning = now.is_checked and config.method == "gem" and config.ranking == "calibrated"
    return words.LEARNING_PHASE if is_learning else say.BEFORE_PHASE


def _num_training(view: RunView) -> int:
    started = (event for event in view.events if event.kind == "started")
    counts = (run_facts.whole(event, "num_pairs") for event in started)
    return next(counts, view.summary.num_pairs)


def _round_sentence(config: RunConfig, now: Progress) -> str:
    rounds = config.sega.rounds
    if now.is_checked:
        return say.checking_phase(now.round, rounds)
    if now.sampled is not None:
        return say.learning_phase(now.round, rounds, now.sampled)
    most = config.sega.prompts_per_round * config.sampling.num_candidates
    return say.sampling_phase(now.round, rounds, most)


def _bar(view: RunView) -> str:
    done = round(100 * run_facts.share_done(view))
    is_active = view.summary.status.state in ACTIVE
    left = f"<span>{escape(say.time_left(view.eta_s))}</span>" if is_active else ""
    status = view.summary.status
    steps = f"step {status.step:,} of {status.total_steps:,}" if status.total_steps else ""
    return (
        f'<div class="gem-bar" role="progressbar" aria-label="Progress of the run" '
        f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{done}">'
        f'<div style="width:{done}%"></div></div>'
        f'<p class="gem-bar-words"><b>{done} %</b><span>{steps}</span>{left}</p>'
    )


def _memory_line(view: RunView) -> str:
    """Return what the run needs of the device's memory, once it knows."""
    tried = [event for event in view.events if event.kind == "memory"]
    if not tried:
        return ""
    needed = run_facts.whole(tried[-1], "peak"), run_facts.whole(tried[-1], "available")
    return f'<p class="gem-quiet">{escape(say.needed_memory(*needed))}</p>'


def curves_heading(view: RunView | None) -> str:
    """Return the heading of the curves, which says whose they are."""
    if view is None:
        return ""
    words = say.curves_title(local_time(view.summary.created_at))
    hint = f'<p class="gem-quiet">{escape(say.CURVES_HINT)}</p>'
    return f'<h2 class="gem-title">{escape(words)}</h2>{hint}'


def fold(title: str, content: str) -> str:
    """Return a fold that shows text exactly as it is."""
    return (
        f'<details class="gem-fold"><summary>{escape(title)}</summary>'
        f'<pre class="gem-verbatim" tabindex="0">{escape(content)}</pre></details>'
    )


# --- after the run ---------------------------------------------------------------------------


def verdict_panel(view: RunView | None) -> str:
    """Return the verdict in plain words, then what to watch and where the adapter is."""
    if view is None:
        return empty(say.CHOOSE_RUN)
    result = view.summary.result
    if result is None:
        return _unfinished(view)
    change = say.verdict_change(
        result.before.preference_accuracy,
        result.after.preference_accuracy,
        result.preference_change,
    )
    return (
        f'<section class="gem-verdict gem-verdict-{result.verdict}">'
        f'<h2 class="gem-title">{escape(say.VERDICT_TITLES[result.verdict])}</h2>'
        f'<p class="gem-lead">{said(change)}</p>{_answers_line(result)}{_method_line(view)}'
        f'<p class="gem-quiet">{escape(say.VERDICT_ADVICE[result.verdict])}</p></section>'
        f"{_confident_but_worse(result.before, result.after)}"
        f"{_warnings([*result.warnings, *run_facts.warnings(view.events)])}"
        f"{_adapter(result)}"
    )


def _unfinished(view: RunView) -> str:
    state = view.summary.status.state
    message = run_facts.end_message(view) if state == "failed" else ""
    reason = f'<p class="gem-quiet">{escape(message)}</p>' if message else ""
    log = fold(say.LOG_TITLE, view.log_tail) if state == "failed" and view.log_tail else ""
    return (
        f'<section class="gem-verdict"><h2 class="gem-title">{escape(say.STATE_TITLES[state])}'
        f'</h2><p class="gem-lead">{escape(say.UNFINISHED[state])}</p>{reason}{log}</section>'
    )


def _answers_line(result: RunResult) -> str:
    before, after = result.before.final_answer_accuracy, result.after.final_answer_accuracy
    if before is None or after is None:
        return ""
    sentence = (
        f"Final answers that match the reference: {say.with_interval(before)} before, "
        f"{say.with_interval(after)} after."
    )
    return f"<p>{said(sentence)}</p>"


def _method_line(view: RunView) -> str:
    how = words.method_words(view.config.method, view.config.ranking)
    return f"<p>{escape(words.METHOD)}: {escape(how)}.</p>"


def _confident_but_worse(before: Evaluation, after: Evaluation) -> str:
    name = run_facts.dropped_accuracy(before, after)
    if name is None:
        return ""
    first, last = run_facts.accuracy(before, name), run_facts.accuracy(after, name)
    if first is None or last is None:
        return ""
    what = say.fell(say.FIGURE_NAMES[name], first, last)
    sentence = say.confident_but_worse(before.mean_entropy, after.mean_entropy, what)
    return notice(say.CONFIDENT_BUT_WORSE_TITLE, escape(sentence))


def _warnings(messages: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(message)}</li>" for message in dict.fromkeys(messages))
    return notice(say.WARNINGS_TITLE, f"<ul>{items}</ul>") if items else ""


def _adapter(result: RunResult) -> str:
    if result.verdict == "worse":
        where = f"{escape(say.NOT_OFFERED)}"
    elif result.adapter_dir is None:
        where = escape(say.NO_ADAPTER)
    else:
        where = f'<code class="gem-path">{escape(result.adapter_dir)}</code>'
    return facts([(say.ADAPTER_TITLE, where)])


def figures(view: RunView | None, num_answers: int) -> str:
    """Return the table of all held-out figures, empty for a run without a result.

    Args:
        view: the run.
        num_answers: held-out prompts that were answered before and after.
    """
    if view is None or view.summary.result is None:
        return ""
    result = view.summary.result
    title = f'<h2 class="gem-title">{escape(say.FIGURES_TITLE)}</h2>'
    return title + figures_table(result.before, result.after, num_answers)


def gold_panel(example: BeforeAfter) -> str:
    """Return a held-out prompt in full and its reference answer."""
    gold = example.gold_answer
    fact = escape(say.NO_GOLD) if gold is None else _strong(gold)
    prompt = f'<blockquote class="gem-prompt">{escape(example.prompt)}</blockquote>'
    return prompt + facts([(say.GOLD_TITLE, fact)])


def match_line(title: str, candidate: Candidate, gold_answer: str | None) -> str:
    """Return whose answer this is and whether it matches; a mark and words, never colour alone."""
    heading = f'<h3 class="gem-subtitle">{escape(title)}</h3>'
    if not candidate.spans.is_committed:
        return f'{heading}<p class="gem-match">{escape(say.NO_ANSWER)}</p>'
    answer = f"<b>{escape(candidate.answer)}</b>"
    if gold_answer is None:
        return f'{heading}<p class="gem-match">{answer}</p>'
    does_match = answers_match(candidate.answer, gold_answer)
    words = f"\N{CHECK MARK} {say.MATCHES}" if does_match else f"\N{NOT EQUAL TO} {say.MATCHES_NOT}"
    return f'{heading}<p class="gem-match">{answer} <span class="gem-tag">{words}</span></p>'


def config_fold(view: RunView | None) -> str:
    """Return the settings as they ran, as JSON behind a fold."""
    return "" if view is None else fold(say.CONFIG_TITLE, view.config.model_dump_json(indent=2))
