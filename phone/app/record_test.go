package app

import (
	"math"
	"strings"
	"testing"
)

func TestCallersLeaveRoomOnTheDisk(t *testing.T) {
	folder := t.TempDir()
	if err := spare(folder, 1); err != nil {
		t.Error(err)
	}
	if err := spare(folder, math.MaxUint64); err == nil || !strings.Contains(err.Error(), "remove recordings") {
		t.Error(err)
	}
	if err := spare(folder+"/gone", 1); err == nil {
		t.Error("a folder that is gone has room")
	}
}
