package g722

// The tables of the Recommendation, by the names it gives them where it does.

// mirror is half of the 24-tap mirror filters, in 1/4096 (table 11: H).
var mirror = [12]int32{3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11}

// decision holds where one step of the low band's quantizer ends and the next
// begins, in 1/8 of the scale (table 14: Q6).
var decision = [29]int32{
	35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714,
	786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
}

// lowPositive and lowNegative are the low band's codes by step (ILP, ILN).
var (
	lowPositive = [30]uint8{
		61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47,
		46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32,
	}
	lowNegative = [30]uint8{
		63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19,
		18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4,
	}
)

// fine and coarse are what the low band's codes mean with all six bits and with
// the upper four, by which the predictor goes (QM6, QM4). Codes 0 to 3 are not
// sent by an encoder.
var (
	fine = [64]int32{
		-136, -136, -136, -136, -24808, -21904, -19008, -16704,
		-14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
		-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576,
		-3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
		24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192,
		10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
		4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032,
		1688, 1360, 1040, 728, 432, 136, -432, -136,
	}
	coarse = [16]int32{
		0, -20456, -12896, -8968, -6288, -4240, -2584, -1200,
		20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
	}
)

// lowPace and highPace say how a code moves the logarithm of the step size (WL
// through RL42, WH through RH2).
var (
	lowPace = [16]int32{
		-60, 3042, 1198, 538, 334, 172, 58, -30,
		3042, 1198, 538, 334, 172, 58, -30, -60,
	}
	highPace = [4]int32{798, -214, 798, -214}
)

// high is what the high band's codes mean (QM2).
var high = [4]int32{-7408, -1616, 7408, 1616}

// power is 2048 times two to the power of 0/32 to 31/32 (ILB).
var power = [32]int32{
	2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
	2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
}
