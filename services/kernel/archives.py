"""Dossiers 档案 that a fact refers to: one that claims a set of materials has all of them; pure."""

from contracts.codec import Event
from events.parts import DossierRef
from services.kernel.exchange import Context, Rejection


def dossier_whole(event: Event, context: Context) -> Rejection | None:
    """Whether the dossier that a fact refers to, if any, has every item of the set that it names."""
    dossier = getattr(event.fact, "dossier", None)
    if not isinstance(dossier, DossierRef) or dossier.set is None:
        return None
    known = context.contracts.dossiers
    wanted = known.get(dossier.set)
    if wanted is None:
        detail = f"there is no set of materials {dossier.set}"
        return Rejection("dossier-set-unknown", detail, {"sets": [*sorted(known.by_code)]})
    missing = wanted.missing(item.code for item in dossier.items)
    if not missing:
        return None
    names = ", ".join(f"{item.code} {item.title_zh}" for item in missing)
    detail = f"the dossier {dossier.number} lacks of {wanted.code} {wanted.title_zh}: {names}"
    return Rejection("dossier-set-incomplete", detail, {"missing": [item.code for item in missing]})
