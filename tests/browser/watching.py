"""Somebody before the page of conversations, and what is caught where it is sent and played."""

from playwright.async_api import expect

from tests.browser.chromium import Visitor

ALLOWED = ("--use-fake-ui-for-media-stream",)
DENIED = ("--use-fake-ui-for-media-stream=deny",)
"""What is answered when the page asks whether it may hear."""
ENGLISH_TO_RUSSIAN = "/?mode=translate&from=en&to=ru"

CATCH = """
    const caught = (window.caught = {sent: [], played: []});
    let heard = null;
    const {send} = WebSocket.prototype;
    WebSocket.prototype.send = function (data) {
        if (data instanceof Int16Array) {
            const peak = data.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
            caught.sent.push({ms: performance.now(), s: heard ? heard.currentTime : -1, peak});
        }
        return send.call(this, data);
    };
    const {start} = AudioBufferSourceNode.prototype;
    AudioBufferSourceNode.prototype.start = function (startS) {
        heard = this.context;
        const samples = this.buffer.getChannelData(0);
        const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
        const ms = performance.now() + 1000 * (startS - this.context.currentTime);
        caught.played.push({startS, durationS: this.buffer.duration, ms, peak});
        return start.call(this, startS);
    };
"""
"""What goes to the server, block by block, and what is played, sound by sound; by the clock of the
loudspeaker, too."""


async def talks(someone: Visitor, url: str, *, sentences: int) -> None:
    """Open the page, speak, and wait until so many sentences are translated."""
    await someone.page.add_init_script(CATCH)
    await someone.comes(url)
    await someone.speaks()
    await sees_sentences(someone, sentences)


async def sees_sentences(someone: Visitor, num: int) -> None:
    told = someone.page.locator(".row:not(.is-open)")
    await expect(told).to_have_count(num, timeout=30_000)


async def caught(someone: Visitor) -> dict[str, list[dict[str, float]]]:
    return await someone.page.evaluate("window.caught")


def peaks_while_it_speaks(seen: dict[str, list[dict[str, float]]]) -> list[float]:
    """Of what is sent while the first utterance's sound is heard, its sentences and the pauses."""
    begins_s = seen["played"][0]["startS"]
    ends_s = max(sound["startS"] + sound["durationS"] for sound in seen["played"])
    return [block["peak"] for block in seen["sent"] if begins_s < block["s"] < ends_s]


async def texts(someone: Visitor) -> list[tuple[str, str]]:
    """What was said, and what it became, as the rows have them."""
    spoken = await someone.page.locator(".row .spoken").all_inner_texts()
    written = await someone.page.locator(".row .written").all_inner_texts()
    return list(zip(spoken, written, strict=True))
