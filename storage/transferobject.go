package storage

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// move brings one object to the target, unless it is present there.
func (t *transfer) move(ctx context.Context, object Object) (present bool, err error) {
	target, sum := object.Key, ""
	if t.o.Target != nil {
		target = t.o.Target(object.Key)
	}
	if t.o.MD5 != nil {
		sum = t.o.MD5(object)
	}
	if t.present(ctx, target, object.Size, sum) {
		return true, nil
	}
	if t.from == t.to {
		return false, t.copyWithin(ctx, object, target, sum)
	}
	if t.serverCopy(ctx, object, target, sum) {
		return false, nil
	}
	err = t.stream(ctx, object, target, sum)
	if (errors.Is(err, ErrChecksum) || errors.Is(err, ErrChanged)) && ctx.Err() == nil { // the way may have damaged it, or a repair replaced it
		err = t.stream(ctx, object, target, sum)
	}
	return false, err
}

// present tells whether the target is known to hold the content. What cannot be found out is copied.
func (t *transfer) present(ctx context.Context, target string, size int64, sum string) bool {
	if t.o.Present == nil || sum == "" {
		return false
	}
	there, ok := t.o.Present(target)
	if !ok || there.Size != size {
		return false
	}
	return there.MD5 == sum || t.readBack(ctx, target, size, sum) == nil
}

// stream copies through this process.
func (t *transfer) stream(ctx context.Context, object Object, target, sum string) error {
	body, err := t.read(ctx, object, sum)
	if err != nil {
		return err
	}
	defer body.Close()
	proven := t.proven(body, object.Key, object.Size, sum)
	defer proven.close()
	return t.to.Put(ctx, target, proven, object.Size, Overwrite)
}

// read opens an object. Where its MD5 is known a range is asked for: S3 checks a whole object against the checksum it was
// stored with, which takes as long as the MD5 does and proves no more.
func (t *transfer) read(ctx context.Context, object Object, sum string) (io.ReadCloser, error) {
	if sum == "" || object.Size == 0 {
		return t.from.Get(ctx, object.Key, 0, -1)
	}
	body, err := t.from.Get(ctx, object.Key, 0, object.Size)
	if errors.Is(err, ErrInvalid) { // an empty object has no range
		return t.from.Get(ctx, object.Key, 0, -1)
	}
	return body, err
}

// copyWithin lets the store copy, and looks at what it made.
func (t *transfer) copyWithin(ctx context.Context, object Object, target, sum string) error {
	if target == object.Key {
		return invalid("copy", target, "source and target are one object")
	}
	told, err := CopyTold(ctx, t.to, object, target)
	return t.made(ctx, object, target, sum, told, err)
}

// made looks at what the server has copied, and takes it away if it is wrong.
func (t *transfer) made(ctx context.Context, object Object, target, sum, told string, err error) error {
	switch {
	case err != nil:
		return err
	case sum == "":
		err = t.sizeIs(ctx, target, object.Size)
	case told != sum: // what a store tells may be none of the content's: the bytes decide
		err = t.readBack(ctx, target, object.Size, sum)
	}
	if errors.Is(err, ErrChecksum) || errors.Is(err, ErrChanged) {
		return errors.Join(err, t.to.Delete(ctx, target))
	}
	return err
}

// CopyTeller is a Store whose server tells the MD5 of what it copied, and is asked for less where the size is known. What
// wraps a Store should pass it on.
type CopyTeller interface {
	// CopyTold is Copy of an object of which size and key are known. sum is "" where the server does not tell the copy's MD5;
	// as in Object it is a hint.
	CopyTold(ctx context.Context, from Object, to string) (sum string, err error)
}

// CopyTold copies as CopyTeller does; a Store that is none copies and is asked.
func CopyTold(ctx context.Context, s Store, from Object, to string) (sum string, err error) {
	if c, ok := s.(CopyTeller); ok {
		return c.CopyTold(ctx, from, to)
	}
	if err := s.Copy(ctx, from.Key, to); err != nil {
		return "", err
	}
	there, err := s.Stat(ctx, to)
	return there.MD5, err
}

// sizeIs checks an object's size.
func (t *transfer) sizeIs(ctx context.Context, key string, size int64) error {
	there, err := t.to.Stat(ctx, key)
	if err == nil && there.Size != size {
		err = &Error{Op: "copy", Key: key, Kind: ErrChanged, Err: fmt.Errorf("object has %d bytes, and had %d when it was listed", there.Size, size)}
	}
	return err
}

// readBack checks an object's content.
func (t *transfer) readBack(ctx context.Context, key string, size int64, sum string) error {
	body, err := t.to.Get(ctx, key, 0, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	proven := t.proven(body, key, size, sum)
	defer proven.close()
	_, err = io.CopyBuffer(io.Discard, struct{ io.Reader }{proven}, make([]byte, 256<<10))
	return err
}

// proven is a body to be closed when it is not read any more.
func (t *transfer) proven(body io.Reader, key string, size int64, sum string) *provenBody {
	hash, end := t.hashes.hash(size)
	return &provenBody{body: body, key: key, left: size, sum: sum, hash: hash, close: end, count: t.count}
}

// provenBody hands on a body of exactly left bytes. Its last bytes come only when all of them are what they should be, so
// whoever stores it cannot store it wrong.
type provenBody struct {
	body  io.Reader
	key   string
	left  int64
	sum   string // MD5 in hex; "": any
	hash  hash.Hash
	close func() // of the hash
	count func(int64)
	told  int64 // bytes not counted yet
	err   error // what every further Read returns
}

func (b *provenBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := 0, error(nil)
	if b.left > 0 {
		n, err = b.body.Read(p[:min(int64(len(p)), b.left)])
		b.hash.Write(p[:n])
		b.left -= int64(n)
		b.told += int64(n)
	}
	switch {
	case b.left == 0:
		b.err = b.prove()
		if b.err != io.EOF {
			n = 0
		}
	case errors.Is(err, io.EOF):
		b.err = b.changed("ends %d bytes earlier", b.left)
	default:
		b.err = err
	}
	if b.told >= progressStep || b.err != nil {
		b.count(b.told)
		b.told = 0
	}
	return n, b.err
}

// prove is io.EOF if the body ends here and is right. The body's own end comes first: a provider may find damage there.
func (b *provenBody) prove() error {
	var one [1]byte
	n, err := io.ReadFull(b.body, one[:])
	if n > 0 {
		return b.changed("is longer")
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	if got := hex.EncodeToString(b.hash.Sum(nil)); b.sum != "" && got != b.sum {
		return &Error{Op: "get", Key: b.key, Kind: ErrChecksum, Err: fmt.Errorf("content has %s, expected %s", got, b.sum)}
	}
	return io.EOF
}

func (b *provenBody) changed(format string, args ...any) error {
	return &Error{Op: "get", Key: b.key, Kind: ErrChanged, Err: fmt.Errorf("object "+format+" than when it was listed", args...)}
}
