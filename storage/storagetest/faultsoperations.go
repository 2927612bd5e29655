package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"starkeep/storage"
)

// operation is a call that may meet a fault.
type operation struct {
	name     string
	location string // shared by all calls, which only read; "": one of its own
	small    bool   // sends and gets a few hundred bytes at most
	content  bool   // sends or gets bytes of objects
	before   func(c *cell)
	call     func(ctx context.Context, c *cell) error
	after    func(c *cell, err error) // checks what is stored
}

const smallSize = 1000

var (
	oldContent   = content(2000, 90)
	smallContent = content(smallSize, 91)
	readContent  = content(mib, 92)
)

func (c *cell) large() []byte { return content(c.provider.Large, 93) }

var operations = []operation{
	{name: "put over another object", content: true, before: putOld, call: putting(smallest, storage.Overwrite), after: oldOr(smallest)},
	{name: "put large over another object", content: true, before: putOld, call: putting((*cell).large, storage.Overwrite), after: oldOr((*cell).large)},
	{name: "put if absent", content: true, small: true, call: putting(smallest, storage.IfAbsent), after: absentOr(smallest)},
	{name: "put large if absent", content: true, call: putting((*cell).large, storage.IfAbsent), after: absentOr((*cell).large)},
	{name: "get", content: true, before: putReadable, call: getting(0, -1), after: nothing},
	{name: "get range", content: true, before: putReadable, call: getting(1000, 500_000), after: nothing},
	{name: "stat", small: true, before: putOld, call: statting, after: nothing},
	{name: "list pages", location: "pages", call: listing, after: nothing},
	{name: "delete", small: true, before: putMany, call: deleting, after: checkDeleted},
	{name: "copy", content: true, small: true, before: putCopied, call: copying, after: oldOr(smallest)},
}

func smallest(*cell) []byte { return smallContent }

func nothing(*cell, error) {}

func putOld(c *cell) { c.put("object", oldContent) }

func putReadable(c *cell) { c.put("object", readContent) }

func putCopied(c *cell) {
	putOld(c)
	c.put("from", smallContent)
}

func putting(data func(*cell) []byte, mode storage.Mode) func(context.Context, *cell) error {
	return func(ctx context.Context, c *cell) error {
		return storage.WriteAll(ctx, c.faulty, "object", data(c), mode)
	}
}

// oldOr checks that the object is whole: the new one after a success, else the old or the new one.
func oldOr(data func(*cell) []byte) func(*cell, error) {
	return func(c *cell, err error) {
		got := c.has("object")
		if bytes.Equal(got, data(c)) || err != nil && bytes.Equal(got, oldContent) {
			return
		}
		c.t.Errorf("after error %v the object holds %d bytes, neither the old nor the new ones", err, len(got))
	}
}

// absentOr is oldOr for a key that was free.
func absentOr(data func(*cell) []byte) func(*cell, error) {
	return func(c *cell, err error) {
		got := c.has("object")
		if bytes.Equal(got, data(c)) || err != nil && got == nil {
			return
		}
		c.t.Errorf("after error %v the object holds %d bytes that are not the new ones", err, len(got))
	}
}

func getting(offset, length int) func(context.Context, *cell) error {
	right := readContent[offset:]
	if length > 0 {
		right = right[:length]
	}
	return func(ctx context.Context, c *cell) error {
		body, err := c.faulty.Get(ctx, "object", int64(offset), int64(length))
		if err != nil {
			return err
		}
		defer body.Close()
		got, err := io.ReadAll(body)
		if err == nil && !bytes.Equal(got, right) || err != nil && !c.fault.damages && !bytes.HasPrefix(right, got) {
			c.t.Errorf("with error %v, %d bytes are read that are not the %d right ones", err, len(got), len(right))
		}
		return err
	}
}

func statting(ctx context.Context, c *cell) error {
	object, err := c.faulty.Stat(ctx, "object")
	if err == nil && (object.Key != "object" || object.Size != int64(len(oldContent))) {
		c.t.Errorf("stat tells %+v", object)
	}
	return err
}

func listing(ctx context.Context, c *cell) error {
	keys, err := list(ctx, c.faulty, "")
	for i, key := range keys {
		if key != pageKey(i) {
			c.t.Fatalf("key %d of the list is %q", i, key)
		}
	}
	if err == nil && len(keys) != pagedKeys {
		c.t.Errorf("lists %d of %d keys as if these were all", len(keys), pagedKeys)
	}
	return err
}

func deleted() []string {
	keys := make([]string, 5)
	for i := range keys {
		keys[i] = fmt.Sprint("delete-", i)
	}
	return keys
}

func putMany(c *cell) {
	for _, key := range append(deleted(), "stays") {
		c.put(key, smallContent[:10])
	}
}

func deleting(ctx context.Context, c *cell) error { return c.faulty.Delete(ctx, deleted()...) }

// checkDeleted checks that what is not named as left is gone.
func checkDeleted(c *cell, err error) {
	left, listErr := list(c.t.Context(), c.direct, "")
	if listErr != nil {
		c.t.Fatal(listErr)
	}
	var partly *storage.DeleteError
	if err != nil && !errors.As(err, &partly) {
		c.t.Errorf("the error names no keys: %v", err)
		return
	}
	for _, key := range deleted() {
		if _, named := failedKeys(partly)[key]; !named && slices.Contains(left, key) {
			c.t.Errorf("%s is left and not named", key)
		}
	}
	if !slices.Contains(left, "stays") {
		c.t.Error("another object is gone")
	}
}

func failedKeys(e *storage.DeleteError) map[string]error {
	if e == nil {
		return nil
	}
	return e.Failed
}

func copying(ctx context.Context, c *cell) error { return c.faulty.Copy(ctx, "from", "object") }
