"""Texts with entities and with what only looks like them, from a seed, labelled as Presidio's research sets are; and the same in
bodies of chats, forms and tensors. Check digits are computed here anew: nothing is taken from the code under test."""
import json, random, urllib.parse

CARDS = [("4", 16), ("4", 13), ("51", 16), ("53", 16), ("55", 16), ("2223", 16), ("2719", 16), ("34", 15), ("37", 15), ("6011", 16), ("65", 16),
         ("3528", 16), ("3589", 16), ("36", 14), ("305", 14)]
# ISO 13616 registry: the country's national part; n digits, a capitals, c either
IBANS = {"DE": "n18", "GB": "a4n14", "FR": "n10c11n2", "NL": "a4n10", "ES": "n20", "IT": "a1n10c12", "CH": "n5c12", "AT": "n16", "BE": "n12", "PL": "n24",
         "SE": "n20", "NO": "n11", "DK": "n14", "FI": "n14", "IE": "a4n14", "PT": "n21", "CZ": "n20", "LU": "n3c13", "GR": "n7c16", "EE": "n16"}
FIRST = "anna peter m.curie j_doe maria-luise tom.o.brien x kim77 office sales.team le.van zoë".split()
HOSTS = "example.com mail.example.co.uk uni-bonn.de corp.example.io a-b.org example.museum posteo.net x.co sub.dept.example.edu".split()


def luhn(digits):
    total = 0
    for i, c in enumerate(reversed(digits)):
        d = int(c) * (1 + i % 2)
        total += d - 9 * (d > 9)
    return total % 10 == 0


class Draw(random.Random):
    def digits(self, n):
        return "".join(self.choice("0123456789") for _ in range(n))

    def card(self, valid=True):
        prefix, n = self.choice(CARDS)
        body = prefix + self.digits(n - len(prefix) - 1)
        digits = next(body + c for c in "0123456789" if luhn(body + c) == valid)
        style = self.randrange(4)
        if style > 1 or n not in (15, 16):
            return digits
        cuts = (4, 8, 12, 16) if n == 16 else (4, 10, 15)
        return " -"[style].join(digits[a:b] for a, b in zip((0,) + cuts, cuts))

    def iban(self, valid=True):
        country, shape = self.choice(sorted(IBANS.items()))
        body, i = "", 0
        while i < len(shape):
            kind, i = shape[i], i + 1
            n = ""
            while i < len(shape) and shape[i].isdigit():
                n, i = n + shape[i], i + 1
            alphabet = {"n": "0123456789", "a": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "c": "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"}[kind]
            body += "".join(self.choice(alphabet) for _ in range(int(n)))
        number = int("".join(str(int(c, 36)) for c in body + country + "00"))
        check = 98 - number % 97
        if not valid:
            check = check % 97 + 2 if check != 97 else 50
            if int("".join(str(int(c, 36)) for c in body + country + f"{check:02}")) % 97 == 1:
                check = 2 + (check + 5) % 90
        text = country + f"{check:02}" + body
        return " ".join(text[i:i + 4] for i in range(0, len(text), 4)) if self.random() < 0.5 else text

    def email(self, valid=True):
        if not valid:
            return self.choice(["@anna", "anna@", "anna@@example.com", "npm i left@1.3.0", "logo@2x.png", "a@b"])
        name = self.choice([n for n in FIRST if n.isascii()])
        return f"{name}{self.choice(['', '+news', str(self.randrange(100))])}@{self.choice(HOSTS)}"

    def ip(self, valid=True):
        if not valid:
            return self.choice(["v2.10.3", "300.1.2.3", "1.2.3", "10:30:00", "std::vector", "1.2.3.4.5.6"])
        if self.random() < 0.6:
            return ".".join(str(self.choice([self.randrange(1, 224), self.randrange(256)]) if i else self.randrange(1, 224)) for i in range(4))
        groups = [f"{self.randrange(65536):x}" for _ in range(8)]
        if self.random() < 0.5:
            return ":".join(groups)
        head, tail = self.randrange(1, 4), self.randrange(1, 4)
        return ":".join(["2001", "db8"][:head] + groups[:max(0, head - 2)]) + "::" + ":".join(groups[8 - tail:])

    def ssn(self, valid=True):
        if not valid:
            return self.choice([f"000-{self.randrange(1, 99):02}-{self.randrange(1, 9999):04}", f"666-12-{self.digits(4)}", f"{self.randrange(100, 665)}-00-4321",
                                f"{self.randrange(100, 665)}-45-0000"])
        area = self.choice([n for n in range(1, 900) if n != 666])
        group, serial = self.randrange(1, 100), self.randrange(1, 10000)
        while (area, group, serial) in ((78, 5, 1120), (219, 9, 9999), (123, 45, 6789)) or len(set(f"{area:03}{group:02}{serial:04}")) == 1:
            serial = self.randrange(1, 10000)
        return self.choice("--- ").join([f"{area:03}", f"{group:02}", f"{serial:04}"])

    def phone(self, valid=True):
        if not valid:
            return self.choice([f"{self.digits(3)}.{self.digits(2)}", "12:45", "2021-10-11", f"#{self.digits(6)}", f"{self.randrange(2, 9)},{self.digits(3)},{self.digits(3)}",
                                f"{self.randrange(10, 99)}%"])
        n = self.digits
        a = f"{self.choice('23456789')}{self.choice('02345678')}{self.choice('23456789')}"
        b = f"{self.choice('23456789')}{self.choice('023456789')}{n(1)}"
        return self.choice([f"({a}) {b}-{n(4)}", f"{a}-{b}-{n(4)}", f"+1 {a} {b} {n(4)}", f"{a}.{b}.{n(4)}", f"+1-{a}-{b}-{n(4)}", f"+49 30 {self.randrange(2, 9)}{n(6)}",
                            f"+49 171 {n(7)}", f"+44 20 7{n(3)} {n(4)}", f"+44 7{n(3)} {n(6)}", f"+33 {self.randrange(1, 9)} {n(2)} {n(2)} {n(2)} {n(2)}", f"+41 44 {n(3)} {n(2)} {n(2)}",
                            f"+31 6 {n(8)}", f"+61 4{n(2)} {n(3)} {n(3)}", f"+81 3 {n(4)} {n(4)}"])


KINDS = {"CREDIT_CARD": Draw.card, "IBAN_CODE": Draw.iban, "EMAIL_ADDRESS": Draw.email, "IP_ADDRESS": Draw.ip, "US_SSN": Draw.ssn, "PHONE_NUMBER": Draw.phone}
SENTENCES = {
    "CREDIT_CARD": ["please charge {} for both", "my card {} was declined", "The number on the card is {}.", "pay with {}, expires 09/27"],
    "IBAN_CODE": ["wire it to {} today", "my IBAN is {}.", "account {}; thanks", "refund to ({})"],
    "EMAIL_ADDRESS": ["write to {}", "I am {}, hi!", "cc <{}> please", "Contact: {}."],
    "IP_ADDRESS": ["the request came from {}", "ping {} fails", "host {}, port 443", "blocked: {}"],
    "US_SSN": ["my SSN is {}", "social security number {}.", "SSN: {}", "for taxes use {} (ssn)"],
    "PHONE_NUMBER": ["call me at {}", "phone: {}", "my number is {}, after six", "Tel. {}"],
}
NEAR = {
    "CREDIT_CARD": ["the part {} is out of stock", "tracking {}"], "IBAN_CODE": ["reference {} is not one", "code {}"], "EMAIL_ADDRESS": ["type {} there", "see {}"],
    "IP_ADDRESS": ["version {}", "it says {}"], "US_SSN": ["form {} is void", "section {}"], "PHONE_NUMBER": ["at {}", "worth {}"],
}
FILLER = ["Thanks a lot!", "It was 22.5 °C on 2021-03-04 at 10:15.", "Order 48213 came in 3 boxes.", "Was kostet das für zwei Nächte?", "π is 3.14159265358979.",
          "SELECT * FROM t WHERE id = 12345678;", "naïve café — déjà vu", "Room 12, floor 3, 45 m².", "ISBN 978-3-16-148410-0", "sha256 9f86d081884c7d65", "東京は今日も雨です。"]


class Texts:
    """A text is a list of (string, label or None)."""

    def __init__(self, seed):
        self.draw = Draw(seed)

    def pieces(self):
        d, out = self.draw, []
        for _ in range(d.randrange(1, 5)):
            kind, roll = d.choice(sorted(KINDS)), d.random()
            if roll < 0.55:
                before, after = d.choice(SENTENCES[kind]).split("{}")
                out += [(before, None), (KINDS[kind](d), kind), (after, None)]
            elif roll < 0.75:
                before, after = d.choice(NEAR[kind]).split("{}")
                out += [(before, None), (KINDS[kind](d, False), None), (after, None)]
            else:
                out.append((d.choice(FILLER), None))
            out.append((d.choice([". ", "\n", " — ", "; "]), None))
        return out

    def labelled(self):
        text, spans = "", []
        for piece, kind in self.pieces():
            if kind:
                spans.append({"entity_type": kind, "entity_value": piece, "start_position": len(text), "end_position": len(text) + len(piece)})
            text += piece
        return {"full_text": text, "spans": spans}

    def body(self):
        """(how, bytes, entities, what must stay): a chat, a form, a tensor."""
        d, texts = self.draw, [self.labelled() for _ in range(3)]
        entities = [s["entity_value"] for t in texts for s in t["spans"]]
        how = d.choice(["chat", "form", "tensor"])
        strings = [t["full_text"] for t in texts]
        if how == "chat":
            body = {"model": "m", "temperature": 0.7, "messages": [{"role": "user", "content": s} for s in strings]}
            return how, json.dumps(body, ensure_ascii=d.random() < 0.5).encode(), entities, [0.7]
        if how == "form":
            return how, urllib.parse.urlencode({f"q{i}": s for i, s in enumerate(strings)}).encode(), entities, []
        numbers = [d.random() * 1e6 for _ in range(50)]
        body = {"inputs": [{"name": "x", "shape": [50], "datatype": "FP64", "data": numbers},
                           {"name": "t", "shape": [3], "datatype": "BYTES", "data": strings}]}
        return how, json.dumps(body).encode(), entities, numbers


def decoded(how, body):
    """All strings, and all numbers, of a body."""
    if how == "form":
        return "\n".join(v for _, v in urllib.parse.parse_qsl(body.decode())), []
    strings, numbers = [], []

    def walk(value):
        if isinstance(value, dict):
            for k, v in value.items():
                strings.append(k)
                walk(v)
        elif isinstance(value, list):
            for v in value:
                walk(v)
        elif isinstance(value, str):
            strings.append(value)
        elif isinstance(value, float):
            numbers.append(value)
    walk(json.loads(body))
    return "\n".join(strings), numbers
