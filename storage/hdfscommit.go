package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/colinmarc/hdfs/v2"
)

// publish moves a finished file to its name if that is free.
//
// HDFS has no such rename, and a file that is created under its final name is seen while it is written, and for ever if
// its writer dies. What HDFS does have is a rename of a directory that fails when the target is a directory with
// something in it. So every key has a claim, a directory below .starkeep-tmp: who moves his directory, with the finished
// file in it, onto the claim holds it, and may move the file to the key if the key is free then. Nobody else publishes
// under that key until the claim is empty, and a file's name is unique, so that a move out of a claim happens once.
//
// A claim holds all that is needed to finish what its holder began: who finds one that is held does that himself, and
// waits for nobody. There are no leases and no clocks in it, and a holder that dies leaves a key that is free for readers,
// and that the next writer finishes.
func (s *hdfsStore) publish(ctx context.Context, temp *hdfsTemp, key string) error {
	claim := s.claimOf(key)
	for range placeAttempts {
		holder, err := s.claim(ctx, temp, claim)
		if err != nil {
			return err
		}
		if holder == "" {
			continue // given up meanwhile
		}
		outcome, err := s.settle(ctx, claim, holder, key, temp)
		if outcome || err != nil {
			return err
		}
	}
	return fmt.Errorf("other writers of this key were first %d times", placeAttempts)
}

func (s *hdfsStore) claimOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return s.path(tempDir) + "/claim-" + hex.EncodeToString(sum[:16])
}

// claim tells the name of the file that holds the claim afterwards; "" if it is free to be tried again.
func (s *hdfsStore) claim(ctx context.Context, temp *hdfsTemp, claim string) (string, error) {
	failure := s.do(ctx, func(c *hdfs.Client) error { return c.Rename(temp.dir, claim) })
	if failure == nil {
		temp.dir = claim
		return temp.name, nil
	}
	if ctx.Err() != nil {
		return "", failure
	}
	if held := s.readDir(ctx, claim); len(held) > 0 {
		if held[0].Name() == temp.name {
			temp.dir = claim // the answer was lost
		}
		return held[0].Name(), nil
	}
	_, err := s.statPath(ctx, temp.path(s))
	switch {
	case isGone(err): // the answer was lost, and another writer has settled the claim
		temp.dir = claim
		return temp.name, nil
	case err != nil:
		return "", err
	case isUnanswered(failure), isPlainIO(failure): // "destination is not empty" is one of Java's plain IOExceptions
		return "", nil
	}
	return "", failure
}

// settle publishes the file that holds a claim, or removes it when the key is taken. done tells that the caller's own Put
// has ended thereby: with nil if its file was published, else with errTaken.
func (s *hdfsStore) settle(ctx context.Context, claim, holder, key string, temp *hdfsTemp) (done bool, err error) {
	mine := holder == temp.name
	info, err := s.statPath(ctx, s.path(key))
	switch {
	case err == nil && info.IsDir():
		return true, errDirectory
	case err == nil && versionOf(info).id == temp.id:
		s.unclaim(ctx, claim)
		return true, nil
	case err == nil:
		if err := s.remove(ctx, claim+"/"+holder); err != nil && !isGone(err) {
			return true, err
		}
		s.unclaim(ctx, claim)
		return true, errTaken
	case !isGone(err):
		return true, err
	}
	err = s.move(ctx, claim+"/"+holder, key)
	switch {
	case err == nil && mine:
		s.unclaim(ctx, claim)
		return true, nil
	case err == nil:
		s.unclaim(ctx, claim)
		return true, errTaken
	case !isGone(err):
		return true, err
	case !mine:
		return false, nil // settled by somebody else
	case s.isAt(ctx, key, temp.id):
		return true, nil
	}
	if _, err := s.stat(ctx, key); err == nil {
		return true, errTaken
	}
	return true, fmt.Errorf("the file written has vanished from %s", claim)
}

// unclaim removes an empty claim. One that somebody else holds by now stays.
func (s *hdfsStore) unclaim(ctx context.Context, claim string) {
	_ = s.remove(ctx, claim)
}
