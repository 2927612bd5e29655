package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// maxProofBytes bounds the proof of one table in memory: some hundreds of thousands of partitions.
const maxProofBytes = 512 << 20

// writeProof keeps the proof of a table until the restore's report is made. Proving again replaces it.
func (w *tableWork) writeProof(ctx context.Context, proven Proven, proof restorepoint.Proof) error {
	k, err := restorepoint.ParseKey(w.Plan.Key)
	if err != nil {
		return err
	}
	proof.Table = w.table.Table.Name
	report := restorepoint.TableReport{
		From: w.plan.Source + "." + w.table.Table.Name, Database: w.plan.Database, Name: w.table.Target, As: w.table.As, Action: w.table.Action,
		TableID: proven.Table.TableID, Proven: proven.Complete, Failed: proven.Failed, Proof: proof,
	}
	data, err := packJSON(report)
	if err != nil {
		return err
	}
	return storage.WriteAll(ctx, w.repository.Store, restorepoint.ProofKey(k.Cluster, k.Run, w.plan.Database, w.TableRef.Table), data, storage.Overwrite)
}

// ReportInput is all that the report of a restore is made of, beside the proofs of its tables.
type ReportInput struct {
	Spec      spec.Restore      `json:"spec"`
	Restore   string            `json:"restore"` // workflow id
	RunID     string            `json:"runId"`
	Began     time.Time         `json:"began"`
	Ended     time.Time         `json:"ended"`
	Databases []PlannedDatabase `json:"databases"` // without their units
	Failed    []spec.FailedPart `json:"failed,omitempty"`
}

// Reported says where a report lies.
type Reported struct {
	Address string `json:"address"`
	Result  string `json:"result"` // a restorepoint.Report… constant
}

// ReportRestore makes one document of the proofs of a restore's tables and stores it beside the restore point. Making it
// again writes the same.
func (a *Activities) ReportRestore(ctx context.Context, in ReportInput) (Reported, error) {
	defer keepAlive(ctx)()
	r, err := a.repository(in.Spec.Repository)
	if err != nil {
		return Reported{}, failure(ctx, err)
	}
	out, err := a.report(ctx, r, in)
	if err != nil {
		err = fmt.Errorf("store the proof of %s: %w", in.Restore, err)
	}
	return out, failure(ctx, err)
}

func (a *Activities) report(ctx context.Context, r *Repository, in ReportInput) (Reported, error) {
	raw, err := json.Marshal(in.Spec)
	if err != nil {
		return Reported{}, err
	}
	report := restorepoint.Report{
		Cluster: in.Spec.Cluster, Repository: r.Name, Restore: in.Restore, RunID: in.RunID, BeganAt: in.Began.UTC(), EndedAt: in.Ended.UTC(), Spec: raw,
	}
	for _, d := range in.Databases {
		plan, err := a.plan(ctx, r.Store, d.Plan)
		if err != nil {
			return Reported{}, err
		}
		report.Point, report.SourceCluster = plan.Point, plan.SourceCluster
		for i := range plan.Tables {
			t, err := tableReport(ctx, r.Store, d.Plan.Key, plan, i)
			if err != nil {
				return Reported{}, err
			}
			report.Tables = append(report.Tables, t)
			activity.RecordHeartbeat(ctx, plan.Tables[i].Target)
		}
	}
	for _, f := range in.Failed {
		report.Failed = append(report.Failed, restorepoint.FailedObject(f))
	}
	data, err := restorepoint.EncodeReport(report)
	if err != nil {
		return Reported{}, err
	}
	key := restorepoint.ReportKey(report.SourceCluster, report.Point, in.Began, in.Restore+"\n"+in.RunID)
	if err := storage.WriteAll(ctx, r.Store, key, data, storage.Overwrite); err != nil {
		return Reported{}, err
	}
	report.Sum()
	return Reported{Address: address(r, key), Result: report.Result}, nil
}

// tableReport reads the proof of one table; one that the restore did not come to says so.
func tableReport(ctx context.Context, store storage.Store, planKey string, plan *Plan, i int) (restorepoint.TableReport, error) {
	k, err := restorepoint.ParseKey(planKey)
	if err != nil {
		return restorepoint.TableReport{}, err
	}
	data, err := storage.ReadAll(ctx, store, restorepoint.ProofKey(k.Cluster, k.Run, plan.Database, i), maxProofBytes)
	if errors.Is(err, storage.ErrNotFound) {
		t := plan.Tables[i]
		return restorepoint.TableReport{From: plan.Source + "." + t.Table.Name, Database: plan.Database, Name: t.Target, As: t.As, Action: t.Action,
			Failed: "not proven: the restore did not come so far", Proof: restorepoint.Proof{Table: t.Table.Name}}, nil
	}
	if err != nil {
		return restorepoint.TableReport{}, err
	}
	var t restorepoint.TableReport
	if err := unpackJSON(data, &t); err != nil {
		return t, fmt.Errorf("read the proof of table %s: %w", plan.Tables[i].Target, err)
	}
	return t, nil
}

// packJSON is JSON, compressed.
func packJSON(v any) ([]byte, error) {
	var packed bytes.Buffer
	encoder, err := zstd.NewWriter(&packed, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	if err := json.NewEncoder(encoder).Encode(v); err != nil {
		return nil, err
	}
	err = encoder.Close()
	return packed.Bytes(), err
}

func unpackJSON(packed []byte, into any) error {
	decoder, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer decoder.Close()
	raw, err := io.ReadAll(decoder)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}
