package storage

import (
	"context"
	"errors"
	"net/url"
	"strings"
)

// neighbour is a provider whose server can copy from another location that it holds. It does so with the credentials of the
// target, which may not be allowed to read the source, or may know another bucket by the source's name.
type neighbour interface {
	// nextTo tells whether another Store is a further location of the same server.
	nextTo(source Store) bool
	// copyFrom is CopyTold of an object of a Store that nextTo accepts.
	copyFrom(ctx context.Context, source Store, from Object, to string) (sum string, err error)
}

// bare is a Store without the limits around it, which do not change where it is.
func bare(s Store) Store {
	for {
		limited, ok := s.(*limitedStore)
		if !ok {
			return s
		}
		s = limited.Store
	}
}

// neighbourOf gives what can copy from one Store to another by itself; nil if nothing can.
func neighbourOf(from, to Store) neighbour {
	if n, ok := bare(to).(neighbour); ok && n.nextTo(bare(from)) {
		return n
	}
	return nil
}

// serverCopy lets the server copy an object whose MD5 is known. done is false where it would not, or what it made is wrong:
// then the object has to pass through this process, which finds out what is the matter with it. A server that refuses is not
// asked again in this transfer.
func (t *transfer) serverCopy(ctx context.Context, object Object, target, sum string) (done bool) {
	if t.server == nil || sum == "" || t.refused.Load() || unreadableKey(object.Key) != "" || badKey(target) != "" {
		return false
	}
	if waitFor(ctx, t.to, object.Size) != nil {
		return false
	}
	told, err := t.server.copyFrom(ctx, bare(t.from), object, target)
	err = t.made(ctx, object, target, sum, told, err)
	ofTheObject := errors.Is(err, ErrNotFound) || errors.Is(err, ErrChecksum) || errors.Is(err, ErrChanged) || errors.Is(err, ErrThrottled)
	if err != nil && !ofTheObject && ctx.Err() == nil {
		t.refused.Store(true)
	}
	return err == nil
}

// waitFor waits until all limits around a Store let that many bytes pass, whoever moves them.
func waitFor(ctx context.Context, s Store, bytes int64) error {
	var limits []*bandwidth
	for limited, ok := s.(*limitedStore); ok; limited, ok = limited.Store.(*limitedStore) {
		limits = append(limits, limited.limit)
	}
	for left := bytes; left > 0 && len(limits) > 0; left -= limitChunk {
		for _, limit := range limits {
			if err := limit.waitAll(ctx, int(min(left, limitChunk))); err != nil {
				return err
			}
		}
	}
	return nil
}

// s3Server names the server of an S3 location. All regions of AWS that share accounts are one: it copies between them.
func s3Server(endpoint, region string) string {
	u, err := url.Parse(endpoint)
	switch {
	case err == nil && endpoint != "" && !isAmazon(u.Hostname()):
		return strings.ToLower(u.Scheme + "://" + u.Host)
	case strings.HasPrefix(region, "cn-"), strings.HasPrefix(region, "us-gov-"):
		return "AWS " + region[:3]
	}
	return "AWS"
}

func isAmazon(host string) bool {
	return strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn")
}

// s3Location is what each S3 location is, whatever its dialect.
type s3Location interface{ location() *s3Store }

func (s *s3Store) location() *s3Store { return s }

func (s *s3Store) nextTo(source Store) bool {
	other, ok := source.(s3Location)
	if !ok {
		return false
	}
	from := other.location()
	return from.server == s.server && from.google == s.google && (from.bucket != s.bucket || from.prefix != s.prefix)
}

func (s *s3Store) copyFrom(ctx context.Context, source Store, from Object, to string) (sum string, err error) {
	return s.copyTold(ctx, source.(s3Location).location(), from, to)
}

func (s *gcsStore) nextTo(source Store) bool {
	from, ok := source.(*gcsStore)
	return ok && from.api.BasePath == s.api.BasePath && (from.bucket != s.bucket || from.prefix != s.prefix)
}

func (s *gcsStore) copyFrom(ctx context.Context, source Store, from Object, to string) (sum string, err error) {
	if err := s.copyOf(ctx, source.(*gcsStore), from.Key, to); err != nil {
		return "", err
	}
	there, err := s.Stat(ctx, to)
	return there.MD5, err
}
