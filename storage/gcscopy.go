package storage

import (
	"context"
	"errors"
	"net/http"

	raw "google.golang.org/api/storage/v1"
)

// Copy lets the server copy, in as many requests as it asks for. The bytes are of the version that was there at the
// start, else ErrChanged; the target is replaced only as it was found.
func (s *gcsStore) Copy(ctx context.Context, from, to string) error {
	if err := errors.Join(keyError("copy", from, unreadableKey(from)), keyError("copy", to, badKey(to))); err != nil {
		return err
	}
	if from == to {
		_, err := s.stat(ctx, "copy", from)
		return err
	}
	return s.copyOf(ctx, s, from, to)
}

// copyOf copies from a location of this server, its own or another one.
func (s *gcsStore) copyOf(ctx context.Context, source *gcsStore, from, to string) error {
	found, err := source.stat(ctx, "copy", from)
	if err != nil {
		return err
	}
	replaced := int64(0)
	for range gcsRounds {
		err := s.rewrite(ctx, source, from, to, found.Generation, replaced)
		switch {
		case err == nil:
			return nil
		case isStatus(err, http.StatusNotFound):
			return source.replacedOr(ctx, "copy", from, err)
		case !isStatus(err, http.StatusPreconditionFailed):
			return s.fail(ctx, "copy", from, err)
		}
		target, statErr := s.stat(ctx, "copy", to)
		switch {
		case statErr == nil:
			replaced = target.Generation
		case errors.Is(statErr, ErrNotFound):
			replaced = 0 // removed meanwhile
		default:
			return statErr
		}
	}
	return contended("copy", to)
}

// rewrite makes to a copy of one generation of from, if to is of the generation replaced; 0 is none.
func (s *gcsStore) rewrite(ctx context.Context, source *gcsStore, from, to string, generation, replaced int64) error {
	for token := ""; ; {
		var answer *raw.RewriteResponse
		err := s.try(ctx, func() (err error) {
			call := s.api.Objects.Rewrite(source.bucket, source.prefix+from, s.bucket, s.prefix+to, nil).
				SourceGeneration(generation).IfGenerationMatch(replaced).Fields("done", "rewriteToken")
			if token != "" {
				call.RewriteToken(token)
			}
			if s.rewriteStep > 0 {
				call.MaxBytesRewrittenPerCall(s.rewriteStep)
			}
			answer, err = call.Context(ctx).Do()
			return err
		})
		if err != nil || answer.Done {
			return err
		}
		token = answer.RewriteToken
	}
}

// replacedOr tells a generation that is gone because the object was replaced from one whose object is gone.
func (s *gcsStore) replacedOr(ctx context.Context, op, key string, err error) error {
	if _, statErr := s.stat(ctx, op, key); statErr != nil {
		return statErr
	}
	return &Error{Op: op, Key: key, Kind: ErrChanged, Err: &gcsError{err}}
}
