"""Splits a reply from the quoted mail below it.

No published splitter handles more than half of a public corpus correctly, so this one is conservative.
It splits only if everything below is quoted. It never splits an answer between quotes, a forwarded
mail (its text is the message), or a mail that would be left empty. Both pieces are kept; joined, they
are the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_LINES = 5_000  # searched for the start of a quote; replies are far shorter than their quotes
MAX_WINDOWS = 400  # lines with a colon at the end that are tried
_WINDOW = 4  # lines that a wrapped attribution may take

_VERBS = (
    "wrote|writes|schrieb|schreibt|écrit|ecrit|ha scritto|escribió|escreveu|schreef|geschreven|skrev|"
    r"napisał|napisała|napisał\(a\)|napsal|napsala|написал|написала|написав|пишет|пише|kirjoitti|írta|"
    "a scris|yazdı|viết|写道|寫道|写到"
)
_VERB = re.compile(rf"(?:\b|[>\s])(?:{_VERBS})(?:\b|[\s(:])", re.IGNORECASE)
_WHEN = re.compile(r"\b\d{1,2}[:.]\d\d\b|\b(?:19|20)\d\d\b|\b\d{1,2}[./]\d{1,2}[./]\d{2}")
_ADDRESS = re.compile(r"[^\s<>@]{1,64}@[^\s<>@]{1,255}")
_OPENS = re.compile(
    r"\s*(?:On|At|Am|Le|Il|El|Em|Op|Den|På|Dnia|W dniu|Dne|La|Pe|Vào|\d{1,4}[./-])(?:\s|\d|$)", re.IGNORECASE
)
_ORIGINAL = re.compile(
    r"\s*\*?-{3,100}\s*(?:original (?:message|appointment|meddelelse|melding)|ursprüngliche nachricht|"
    r"originalnachricht|message d['’]origine|message original|messaggio originale|mensaje original|"
    r"mensagem original|oorspronkelijk bericht|opprinnelig melding|oprindelig meddelelse|"
    r"ursprungligt meddelande|originalmeddelande|alkuperäinen viesti|wiadomość oryginalna|"
    r"oryginalna wiadomość|исходное сообщение|původní zpráva|原始邮件|元のメッセージ)\s*-{3,100}\*?\s*",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"\s*(?:-{3,100}\s*\*?(?:forwarded (?:message|by)|weitergeleitete nachricht|message transféré|"
    r"mensaje reenviado|messaggio inoltrato|doorgestuurd bericht|vidarebefordrat|videresendt|"
    r"välitetty viesti|пересылаемое сообщение|mensagem encaminhada)|begin forwarded message:|"
    r"anfang der weitergeleiteten)",
    re.IGNORECASE,
)
_FROM_LABELS = "From|Von|De|Da|Van|Från|Fra|Lähettäjä|Od|От|Від|Feladó|Kimden|发件人|寄件者|差出人|보낸 사람"
_OTHER_LABELS = (
    "Sent|Date|To|Cc|Subject|Reply-To|Gesendet|Datum|An|Betreff|Envoyé|À|Objet|Inviato|Data|A|Oggetto|"
    "Risposta|Verzonden|Aan|Onderwerp|Skickat|Till|Ämne|Sendt|Dato|Til|Emne|Lähetetty|Päivämäärä|"
    "Vastaanottaja|Aihe|Wysłano|Do|Temat|Enviado|Fecha|Para|Asunto|Assunto|Отправлено|Дата|Кому|Тема|"
    "Копия|Odesláno|Komu|Předmět|发送时间|收件人|主题|送信日時|宛先|件名"
)
_FROM_LINE = re.compile(rf"\s*\*?(?:{_FROM_LABELS})\s?[:：]\*?\s*\S", re.IGNORECASE)
_OTHER_LINE = re.compile(rf"\s*\*?(?:{_OTHER_LABELS})\s?[:：]", re.IGNORECASE)
_RULE = re.compile(r"\s*[-_=]{5,}\s*")
_FOOTER = re.compile(r"--\s?|_{20,}\s*")


def split_quote(text: str, *, forwarded: bool = False) -> int:
    """The length of the sender's own text at the start of `text`; `len(text)` when nothing is quoted.

    If `forwarded` (from the subject), a header block belongs to the forwarded mail.
    """
    lines = text.split("\n")
    starts = [_attribution(lines), _trailing(lines)]
    stop = next((at for at, line in enumerate(lines[:MAX_LINES]) if _FORWARDED.match(line)), len(lines))
    if not forwarded:
        starts.append(_original(lines))
    found = min((start for start in starts if start is not None), default=None)
    if found is None or stop < found:
        return len(text)
    own = "\n".join(lines[:found]).rstrip()
    return len(own) if own else len(text)


def is_forward(subject: str) -> bool:
    """Whether the subject marks a forwarded mail."""
    return bool(re.match(r"\s*(?:fwd?|wg|tr|i|rv|enc|vb|vs|pd)\s*:", subject, re.IGNORECASE))


def _is_quoted(line: str) -> bool:
    return line.lstrip().startswith(">")


def _attribution(lines: Sequence[str]) -> int | None:
    """The line of `On …, X wrote:` with only quoted lines below it."""
    windows = 0
    for end, line in enumerate(lines[:MAX_LINES]):
        if not line.rstrip().endswith((":", "：")) or _is_quoted(line):
            continue
        windows += 1
        if windows > MAX_WINDOWS:
            return None
        following = next((later for later in lines[end + 1 : end + 8] if later.strip()), "")
        start = _attribution_start(lines, end, quoted_below=_is_quoted(following))
        if start is not None:
            return start if _only_quotation(lines[end + 1 :]) else None
    return None


def _attribution_start(lines: Sequence[str], end: int, *, quoted_below: bool) -> int | None:
    """The first line of the attribution that ends at line `end`, or None if it is not one.

    It needs a verb and a time. If `>` lines follow, two of verb, time and address are enough, or a verb.
    """
    for start in range(end, max(-1, end - _WINDOW), -1):
        window = " ".join(lines[start : end + 1])
        if not lines[start].strip() or _is_quoted(lines[start]) or len(window) > 400:
            break
        verb, when = bool(_VERB.search(window)), bool(_WHEN.search(window))
        if when and (verb or (quoted_below and _ADDRESS.search(window))):
            return _wrapped_from(lines, start)
    if quoted_below and _VERB.search(lines[end]):
        return end
    return None


def _wrapped_from(lines: Sequence[str], start: int) -> int:
    """The line above `start` if the same sentence begins there (`On 29 Mar 2016,`), else `start`."""
    if start and not _OPENS.match(lines[start]):
        above = lines[start - 1]
        if _OPENS.match(above) and _WHEN.search(above) and len(above) < 100:
            return start - 1
    return start


def _only_quotation(rest: Sequence[str]) -> bool:
    """Whether `rest` contains no answer: no plain line after a `>` line, except a signature."""
    seen_quoted = False
    for line in rest:
        if _is_quoted(line):
            seen_quoted = True
        elif seen_quoted and _FOOTER.fullmatch(line):
            return True
        elif seen_quoted and line.strip():
            return False
    return True


def _trailing(lines: Sequence[str]) -> int | None:
    """The first line of the `>` lines at the very end."""
    at = len(lines)
    first: int | None = None
    while at and (not lines[at - 1].strip() or _is_quoted(lines[at - 1])):
        at -= 1
        if lines[at].strip():
            first = at
    return first


def _original(lines: Sequence[str]) -> int | None:
    """The line of `-----Original Message-----`, or the first of a block of From, Sent, To, Subject."""
    for at, line in enumerate(lines[:MAX_LINES]):
        if _ORIGINAL.fullmatch(line):
            return at
        if _FROM_LINE.match(line) and _is_header(lines, at):
            above = at
            while above and not lines[above - 1].strip():
                above -= 1
            return above - 1 if above and _RULE.fullmatch(lines[above - 1]) else at
    return None


def _is_header(lines: Sequence[str], at: int) -> bool:
    """Whether the From line `at` has at least two more labelled lines shortly below."""
    below = [line for line in lines[at + 1 : at + 12] if line.strip()][:6]
    return sum(bool(_OTHER_LINE.match(line)) for line in below) >= 2 and any(
        _OTHER_LINE.match(line) for line in below[:2]
    )
