// The ledger's texts, trees and proofs as Go's checksum database sees them: questions as JSON on stdin, answers as JSON on stdout.
// Everything is answered by golang.org/x/mod/sumdb; only the message of a cosignature, which it does not know, is put together here.
package main

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type question struct {
	Kind      string
	Note      []byte
	Keys      []string   // verifier keys of type 1
	Witnesses []cosigner // keys of type 4
	Signer    string     // a signer key, for "sign"
	Text      string     // what it signs
	Leaves    [][]byte   // leaf data, for "tree"
	Proof     [][]byte   // hashes
	Old, Size int64      // sizes of trees
	OldRoot   []byte
	Root      []byte
	Index     int64
	Leaf      []byte            // a leaf's hash
	Tiles     map[string][]byte // by our paths
}

type answer struct {
	Error string   `json:"error"`
	Text  string   `json:"text"`
	Bytes []byte   `json:"bytes"`
	Names []string `json:"names"`
	Paths []string `json:"paths"`
	Size  int64    `json:"size"`
	List  [][]byte `json:"list"`
}

// A witness's key, as sumdb's note package takes verifiers that it does not know itself.
type cosigner struct {
	Witness string
	Hash    uint32
	Key     []byte
}

func (c cosigner) Name() string    { return c.Witness }
func (c cosigner) KeyHash() uint32 { return c.Hash }
func (c cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize || len(c.Key) != ed25519.PublicKeySize {
		return false
	}
	time := binary.BigEndian.Uint64(signature)
	return ed25519.Verify(c.Key, []byte(fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, text)), signature[8:])
}

func hashOf(data []byte) (hash tlog.Hash) {
	if len(data) != tlog.HashSize {
		panic("a hash of another length")
	}
	copy(hash[:], data)
	return hash
}

func hashesOf(list [][]byte) (hashes []tlog.Hash) {
	for _, data := range list {
		hashes = append(hashes, hashOf(data))
	}
	return hashes
}

func listOf(hashes []tlog.Hash) (list [][]byte) {
	for _, hash := range hashes {
		list = append(list, append([]byte{}, hash[:]...))
	}
	return list
}

// Ours has no height in its paths: it is always 8.
func ourPath(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
}

type tileReader map[string][]byte

func (r tileReader) Height() int                         { return 8 }
func (r tileReader) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (r tileReader) ReadTiles(tiles []tlog.Tile) (list [][]byte, err error) {
	for _, tile := range tiles {
		data, found := r[ourPath(tile)]
		if !found {
			return nil, errors.New("no tile " + ourPath(tile))
		}
		list = append(list, data)
	}
	return list, nil
}

func open(q question) (a answer, err error) {
	var known []note.Verifier
	for _, key := range q.Keys {
		verifier, err := note.NewVerifier(key)
		if err != nil {
			return a, err
		}
		known = append(known, verifier)
	}
	for _, witness := range q.Witnesses {
		known = append(known, witness)
	}
	opened, err := note.Open(q.Note, note.VerifierList(known...))
	if err != nil {
		return a, err
	}
	for _, signature := range opened.Sigs {
		a.Names = append(a.Names, signature.Name)
	}
	a.Text = opened.Text
	return a, nil
}

func tree(q question) (a answer, err error) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) (found []tlog.Hash, err error) {
		for _, index := range indexes {
			found = append(found, stored[index])
		}
		return found, nil
	})
	for number, leaf := range q.Leaves {
		hashes, err := tlog.StoredHashes(int64(number), leaf, reader)
		if err != nil {
			return a, err
		}
		stored = append(stored, hashes...)
		root, err := tlog.TreeHash(int64(number)+1, reader)
		if err != nil {
			return a, err
		}
		a.List = append(a.List, listOf([]tlog.Hash{root})...)
	}
	return a, nil
}

func reply(q question) (a answer, err error) {
	switch q.Kind {
	case "open":
		return open(q)
	case "sign":
		signer, err := note.NewSigner(q.Signer)
		if err != nil {
			return a, err
		}
		a.Bytes, err = note.Sign(&note.Note{Text: q.Text}, signer)
		return a, err
	case "parse-tree":
		parsed, err := tlog.ParseTree([]byte(q.Text))
		a.Size, a.Bytes = parsed.N, parsed.Hash[:]
		return a, err
	case "tree":
		return tree(q)
	case "inclusion":
		return a, tlog.CheckRecord(hashesOf(q.Proof), q.Size, hashOf(q.Root), q.Index, hashOf(q.Leaf))
	case "consistency":
		return a, tlog.CheckTree(hashesOf(q.Proof), q.Size, hashOf(q.Root), q.Old, hashOf(q.OldRoot))
	case "tile-paths":
		for _, tile := range tlog.NewTiles(8, q.Old, q.Size) {
			a.Paths = append(a.Paths, ourPath(tile))
		}
		return a, nil
	case "prove-record":
		reader := tlog.TileHashReader(tlog.Tree{N: q.Size, Hash: hashOf(q.Root)}, tileReader(q.Tiles))
		proof, err := tlog.ProveRecord(q.Size, q.Index, reader)
		a.List = listOf(proof)
		return a, err
	case "prove-tree":
		reader := tlog.TileHashReader(tlog.Tree{N: q.Size, Hash: hashOf(q.Root)}, tileReader(q.Tiles))
		proof, err := tlog.ProveTree(q.Size, q.Old, reader)
		a.List = listOf(proof)
		return a, err
	}
	return a, errors.New("unknown question " + q.Kind)
}

func main() {
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	answers := []answer{}
	for _, q := range questions {
		a, err := reply(q)
		if err != nil {
			a = answer{Error: err.Error()}
		}
		answers = append(answers, a)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
