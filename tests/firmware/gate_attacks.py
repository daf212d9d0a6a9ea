"""Receipts that must not open the erase gate, as data: each breaks one of the conditions 1 to 4 of spec/04-trust.md, 4.5, and has a gate
without it. Condition 5 stands in `test_gate_ledger.py`.
"""

from typing import Final

from protocol.receipt import ChainSubject
from tests.builders import make_agency, secret
from tests.firmware.gates import (
    Attack,
    chain_of,
    changed,
    cut_out,
    forged,
    forgiving,
    forgiving_subject,
    receipt_of,
    recording_of,
    unverified,
    without,
)

ATTACKS: Final = (
    Attack("1, signed by a dock", forged, "is not central's", lambda: without(verify_receipt=unverified)),
    Attack(
        "1, signed by a central of another policy",
        receipt_of,
        "which the policy does not",
        lambda: without(verify_receipt=unverified),
        policy=make_agency("another agency").policy,
    ),
    Attack(
        "2, another camera's",
        lambda report: receipt_of(report, camera_id=bytes(16)),
        "about camera",
        lambda: forgiving("camera_id"),
    ),
    Attack(
        "2, another shift's",
        lambda report: receipt_of(report, shift_id=bytes(16)),
        "about shift",
        lambda: forgiving("shift_id"),
    ),
    Attack(
        "2, of an earlier head",
        lambda report: receipt_of(report, head_sequence=report.head_sequence - 1),
        "its head is entry",
        lambda: forgiving("head_sequence"),
    ),
    Attack(
        "2, of a fork's head",
        lambda report: receipt_of(report, head_hash=secret("fork")),
        "its head is entry",
        lambda: forgiving("head_hash"),
    ),
    Attack(
        "3, fewer chunks",
        lambda report: changed(report, chunk_count=2),
        "otherwise than the chain",
        lambda: forgiving_subject("chunk_count"),
    ),
    Attack(
        "3, shorter media",
        lambda report: changed(
            report, media=tuple(file.model_copy(update={"size_bytes": 1}) for file in recording_of(report).media)
        ),
        "otherwise than the chain",
        lambda: forgiving_subject("media"),
    ),
    Attack(
        "3, no media",
        lambda report: changed(report, media=()),
        "otherwise than the chain",
        lambda: forgiving_subject("media"),
    ),
    Attack(
        "3, another ending",
        lambda report: changed(report, ending_head_hash=report.head_hash),
        "otherwise than the chain",
        lambda: forgiving_subject("ending_head_hash"),
    ),
    Attack(
        "3, another key box",
        lambda report: changed(report, key_box_hash=secret("box")),
        "otherwise than the chain",
        lambda: forgiving_subject("key_box_hash"),
    ),
    Attack(
        "3, a recording that is not there",
        lambda report: changed(report, recording_id=bytes(16)),
        "is not in this chain",
        lambda: forgiving_subject("recording_id"),
    ),
    Attack(
        "3, a shorter chain",
        lambda report: receipt_of(report, ChainSubject(kind="chain", size_bytes=report.size_bytes - 1)),
        "chain of",
        lambda: forgiving_subject("size_bytes"),
        has_recordings_left=False,
    ),
    Attack(
        "3, the chain before its recordings",
        lambda report: receipt_of(report, chain_of(report)),
        "the chain goes last",
        lambda: cut_out("has_recordings_left"),
    ),
    Attack(
        "4, stored where locked is asked for",
        receipt_of,
        "says stored, the policy asks for locked",
        lambda: cut_out("_LEVELS[receipt.level] < _LEVELS[policy.erase_level]"),
        policy=make_agency(erase_level="locked").policy,
    ),
    Attack(
        "4, key box not opened",
        lambda report: receipt_of(report, key_box_opened=False),
        "has not opened",
        lambda: cut_out("isinstance(subject, RecordingSubject) and not receipt.key_box_opened"),
    ),
)  # fmt: skip
