package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// OfferInput tells the copies into some mirrors of something more to copy.
type OfferInput struct {
	Cluster string         `json:"cluster"`
	From    string         `json:"from"` // repository profile
	To      []string       `json:"to"`   // mirror profiles
	Offer   spec.CopyOffer `json:"offer"`
}

// OfferCopy tells the Copy into each mirror, and starts it where none runs: it asks Temporal alone, so no mirror's trouble
// holds a backup up. The same offer may be made again.
func (a *Activities) OfferCopy(ctx context.Context, in OfferInput) error {
	for _, to := range in.To {
		options := client.StartWorkflowOptions{ID: spec.CopyID(in.Cluster, in.From, to), TaskQueue: spec.TaskQueue,
			StaticSummary: fmt.Sprintf("copy what backups of %s into %s leave to mirror %s", in.Cluster, in.From, to)}
		input := spec.Copy{Cluster: in.Cluster, From: in.From, To: to, Behind: true}
		_, err := activity.GetClient(ctx).SignalWithStartWorkflow(ctx, options.ID, spec.SignalOffer, in.Offer, options, spec.CopyWorkflow, input)
		if err != nil {
			return failure(ctx, fmt.Errorf("offer it to %s: %w", options.ID, err))
		}
	}
	return nil
}

// MirrorsInput asks whether mirrors have a point.
type MirrorsInput struct {
	Cluster string        `json:"cluster"`
	From    string        `json:"from"`
	To      []string      `json:"to"`
	Point   string        `json:"point"`
	Wait    spec.Duration `json:"wait"` // how long to look
}

// AwaitMirrors looks, for a while, whether the mirrors have a restore point whole. One that has it not, or does not answer,
// is behind: that is an answer, no error.
func (a *Activities) AwaitMirrors(ctx context.Context, in MirrorsInput) ([]spec.MirrorState, error) {
	defer keepAlive(ctx)()
	until := time.Now().Add(time.Duration(in.Wait))
	poll := time.Second
	if c, ok := a.clusters[in.Cluster]; ok {
		poll = c.Timing.Poll
	}
	for {
		states := a.mirrorStates(ctx, in)
		left := time.Until(until)
		if left <= 0 || !slices.ContainsFunc(states, func(s spec.MirrorState) bool { return !s.Copied }) {
			return states, nil
		}
		if err := sleep(ctx, min(poll, left)); err != nil {
			return states, failure(ctx, err)
		}
	}
}

// mirrorLook bounds one look at a mirror.
const mirrorLook = 10 * time.Second

func (a *Activities) mirrorStates(ctx context.Context, in MirrorsInput) []spec.MirrorState {
	ctx, cancel := context.WithTimeout(ctx, mirrorLook)
	defer cancel()
	states := make([]spec.MirrorState, len(in.To))
	for i, name := range in.To {
		states[i] = spec.MirrorState{Mirror: name, Copy: spec.CopyID(in.Cluster, in.From, name)}
		r, err := a.storeOf("mirrors", name)
		if err == nil {
			_, err = r.Store.Stat(ctx, restorepoint.ManifestKey(in.Cluster, in.Point))
		}
		switch {
		case err == nil:
			states[i].Copied = true
		case errors.Is(err, storage.ErrNotFound):
			states[i].Reason = "not copied yet"
		default:
			states[i].Reason = shortened(err.Error())
		}
	}
	return states
}

// checkMirrors refuses names that are no mirrors' before anything is backed up.
func (a *Activities) checkMirrors(in spec.Backup) error {
	for _, name := range in.Mirrors {
		if _, ok := a.mirrors[name]; !ok {
			return invalid("field %q: no mirror profile is called %q in this worker's configuration; it has %s", "mirrors", name, names(a.mirrors))
		}
	}
	return nil
}
