"""The words that fill practice pages: common English words counted in Python's own
documentation and standard library, plus captions, labels and names written for glance.

No benchmark's word list is read or copied. `python words.py OUT.json` writes the lists that the
page generator (`pages/*.js`) and the instruction writer (`goals.py`) share.
"""

import json
import os
import pydoc_data.topics
import re
import sys
from collections import Counter
from pathlib import Path

CAPTIONS = """submit, okay, ok, yes, no, cancel, next, previous, save, save draft, delete, edit, open, close, search,
log in, login, log out, sign in, sign up, register, send, reply, forward, back, continue, apply, reset, clear, add,
remove, upload, download, print, share, follow, help, home, settings, profile, menu, more, less, start, stop, play,
pause, copy, paste, undo, redo, refresh, update, view, details, buy now, checkout, add to cart, go, done, finish, skip,
retry, accept, decline, agree, dismiss, confirm, select, all, none, up, down, left, right, new, find, filter, sort,
export, import, join, leave, begin, exit, book, order, pay, subscribe, create, browse, choose, insert, replace,
zoom in, zoom out, show, hide, enable, disable, post, publish, archive, rename, move, lock, unlock, connect, sync,
preview, review, rate, compare, track, return, donate, learn more, read more, try again, save changes, new file,
my orders, sign out, get started, contact us, view all, load more, change plan, send message, ask later""".split(",")

LABELS = """Name, Email, City, Phone, Address, Title, Code, Zip, Country, Company, Age, Subject, Nickname, Surname,
Street, Date, Order, Amount, Price, Quantity, Notes, Keyword, Tag, Topic, First name, Last name, Full name, Color, Size,
Brand, Model, Team, Guest, Room, Seat, Flight, From, To, State, Region, Job, School, Hobby, Pet, Reference, Coupon,
Invoice, Year, Month, Day, Time, Message, Comment, Answer, Search, Query, Website, Account, Bank, Card, Owner, Floor,
Office, Manager, Weight, Height, Language, Currency, Delivery, Landmark, Building, Ticket, Project, Branch, Version,
Username, Password, Town, Postcode, Car, Song, Book, Author, Artist, Film, Dish, Table, Shop, Vendor, Item, Note""".split(",")

TICKS = """Remember me, Keep me signed in, Stay signed in, I agree, Accept terms, I accept the terms, Newsletter,
Send me news, Subscribe, Gift wrap, Express, Notify me, Private, Public, Show password, Terms, Updates, Save card,
Email me, Trust this device, Offers, Dark mode, Sound, Alerts, Make default, Use as billing, Insurance, Breakfast,
Parking, Window seat, Vegetarian, Large print, Tips, Backup, Share data, Weekly digest, Reminders, Auto save""".split(",")

PEOPLE = """ada, grace, alan, linus, edith, mona, hugo, nils, petra, oskar, greta, ivan, lucia, pablo, yuki, kenji, amina,
omar, priya, ravi, chen, mei, lars, ingrid, stefan, marta, bruno, elena, tomas, nadia, felix, clara, rosa, diego, sofia,
emil, freya, anton, vera, boris, olga, samir, leila, hannah, noah, judith, simon, esther, carlos, ines, admin, guest,
lovelace, turing, hopper, kepler, newton, curie, darwin, euler, gauss, noether, tesla, volta""".split(",")


def documentation() -> str:
    """All the prose at hand that ships with every Python: help topics and library sources."""
    text = " ".join(pydoc_data.topics.topics.values())
    for source in sorted(Path(os.__file__).parent.glob("*.py"))[:200]:
        text += source.read_text(errors="ignore")
    return text


def common_words(limit: int = 6000) -> list[str]:
    """The most frequent lower-case words of two to ten letters, most frequent first."""
    counts = Counter(re.findall(r"\b[a-z]{2,10}\b", documentation()))
    return [word for word, seen in counts.most_common(limit) if seen >= 2]


def tidy(phrases: list[str]) -> list[str]:
    return [" ".join(phrase.split()) for phrase in phrases]


def main() -> None:
    lists = {
        "words": common_words(),
        "captions": tidy(CAPTIONS),
        "labels": tidy(LABELS),
        "ticks": tidy(TICKS),
        "people": tidy(PEOPLE),
    }
    Path(sys.argv[1]).write_text(json.dumps(lists))
    print({name: len(entries) for name, entries in lists.items()})


if __name__ == "__main__":
    main()
