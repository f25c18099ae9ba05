"""Answer JSON-RPC calls about a world like an archive node."""

from collections import Counter
from typing import Any, Final

from benchmarks.worlds.chain import Chain, Tx
from benchmarks.worlds.codes import selector, word
from benchmarks.worlds.programs import execute

HEAD_DISTANCE: Final = 100
"""Blocks after the last transaction of a world."""
CHAIN_ID: Final = 1
_REVERTED: Final = 3


class Rejection(Exception):
    """Reject a call with a JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Node:
    """Hold a finished world; the block `finalized` is its newest one."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.head = chain.block + HEAD_DISTANCE
        self.calls: Counter[str] = Counter()
        """Calls by method."""
        self._views = {
            (address, selector(signature)): result
            for address, views in chain.views.items()
            for signature, result in views.items()
        }
        self._logs = [
            log
            for number in sorted(chain.transactions)
            for log in self._logs_of(number, chain.transactions[number])
        ]

    def answer(self, method: str, params: list[Any]) -> Any:
        """Answer one call.

        Raises:
            Rejection: as a node would.
        """
        self.calls[method] += 1
        handler = getattr(self, "_" + method, None)
        if handler is None:
            raise Rejection(-32601, f"the method {method} does not exist/is not available")
        return handler(*params)

    def _number(self, tag: str) -> int:
        return int(tag, 16) if tag.startswith("0x") else self.head

    def _eth_chainId(self) -> str:  # noqa: N802  named for the method
        return hex(CHAIN_ID)

    def _eth_blockNumber(self) -> str:  # noqa: N802
        return hex(self.head)

    def _eth_getBlockByNumber(self, tag: str, full: bool = False) -> Any:  # noqa: N802, FBT001, FBT002
        number = self._number(tag)
        if number > self.head:
            return None
        transactions = self.chain.transactions.get(number, [])
        return {
            "number": hex(number),
            "hash": _block_hash(number),
            "parentHash": _block_hash(number - 1),
            "timestamp": hex(self.chain.time_of(number)),
            "transactions": [_transaction(tx) if full else tx.hash for tx in transactions],
        }

    def _eth_getTransactionByHash(self, tx_hash: str) -> Any:  # noqa: N802
        tx = self.chain.by_hash.get(tx_hash)
        return None if tx is None else _transaction(tx)

    def _eth_getTransactionReceipt(self, tx_hash: str) -> Any:  # noqa: N802
        tx = self.chain.by_hash.get(tx_hash)
        if tx is None:
            return None
        receipts = self._eth_getBlockReceipts(hex(tx.block))
        return next(each for each in receipts if each["transactionHash"] == tx_hash)

    def _eth_getBlockReceipts(self, tag: str) -> Any:  # noqa: N802
        number = self._number(tag)
        transactions = self.chain.transactions.get(number, [])
        logs = self._logs_of(number, transactions)
        return [_receipt(tx, logs) for tx in transactions]

    def _eth_getLogs(self, query: dict[str, Any]) -> Any:  # noqa: N802
        first, last = self._number(query["fromBlock"]), self._number(query["toBlock"])
        return [
            log
            for log in self._logs
            if first <= int(log["blockNumber"], 16) <= last and _matches(log, query)
        ]

    def _eth_getCode(self, address: str, tag: str) -> str:  # noqa: N802
        return "0x" + self.code(address, self._number(tag)).hex()

    def code(self, address: str, block: int) -> bytes:
        """Return the code at an address after a block."""
        created = self.chain.created.get(address, 0)
        return self.chain.codes.get(address, b"") if block >= created else b""

    def _eth_getBalance(self, address: str, tag: str) -> str:  # noqa: N802
        return hex(self.balance(address, self._number(tag)))

    def balance(self, address: str, block: int) -> int:
        """Return the native coins of an address after a block, in wei."""
        history = self.chain.coins.get(address)
        return 0 if history is None else history.at(block)

    def _eth_getTransactionCount(self, address: str, tag: str) -> str:  # noqa: N802
        return hex(self.nonce(address, self._number(tag)))

    def nonce(self, address: str, block: int) -> int:
        """Return the number of transactions that an address has sent by a block."""
        history = self.chain.nonces.get(address)
        return 0 if history is None else history.at(block)

    def _eth_call(self, call: dict[str, str], tag: str, *_overrides: object) -> str:
        data = call.get("data") or call.get("input") or "0x"
        number = self._number(tag)
        if call.get("to"):
            result = self.view(call["to"].lower(), data[2:], number)
        else:
            result = execute(self, bytes.fromhex(data[2:]), number)
        if result is None:
            raise Rejection(_REVERTED, "execution reverted")
        return "0x" + result.hex()

    def view(self, to: str, data: str, block: int) -> bytes | None:
        """Return what a view function returns; None if it reverts."""
        if to not in self.chain.codes:
            return b""
        if to == self.chain.token and data[:8] == selector("balanceOf(address)"):
            history = self.chain.tokens.get("0x" + data[32:72])
            return bytes.fromhex(word(max(0, 0 if history is None else history.at(block))))
        return self._views.get((to, data[:8]))

    def _logs_of(self, number: int, transactions: list[Tx]) -> list[dict[str, Any]]:
        rows = [(tx, log) for tx in transactions for log in tx.logs]
        return [
            {
                "address": address,
                "topics": list(topics),
                "data": data,
                "blockNumber": hex(number),
                "blockHash": _block_hash(number),
                "transactionHash": tx.hash,
                "transactionIndex": hex(tx.index),
                "logIndex": hex(index),
                "removed": False,
            }
            for index, (tx, (address, topics, data)) in enumerate(rows)
        ]


def _matches(log: dict[str, Any], query: dict[str, Any]) -> bool:
    addresses = query.get("address")
    if addresses and log["address"] not in _several(addresses):
        return False
    topics = query.get("topics", [])
    return len(topics) <= len(log["topics"]) and all(
        wanted is None or found in _several(wanted)
        for wanted, found in zip(topics, log["topics"], strict=False)
    )


def _several(texts: Any) -> list[str]:
    return [text.lower() for text in (texts if isinstance(texts, list) else [texts])]


def _block_hash(number: int) -> str:
    return f"0x{'b1':>02}{number:062x}"


def _transaction(tx: Tx) -> dict[str, Any]:
    return {
        "hash": tx.hash,
        "blockNumber": hex(tx.block),
        "blockHash": _block_hash(tx.block),
        "transactionIndex": hex(tx.index),
        "from": tx.signer,
        "to": tx.to,
        "value": hex(tx.value),
        "nonce": hex(tx.nonce),
        "input": tx.data,
    }


def _receipt(tx: Tx, logs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "transactionHash": tx.hash,
        "blockNumber": hex(tx.block),
        "blockHash": _block_hash(tx.block),
        "transactionIndex": hex(tx.index),
        "from": tx.signer,
        "to": tx.to,
        "contractAddress": tx.creates,
        "status": "0x1",
        "logs": [log for log in logs if log["transactionHash"] == tx.hash],
    }
