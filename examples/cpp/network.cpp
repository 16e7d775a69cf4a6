#include "network.hpp"

namespace {

Ort::SessionOptions options_of(int threads) {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(threads);
    return options;
}

std::basic_string<ORTCHAR_T> native_path(const std::string& path) { return {path.begin(), path.end()}; }

}  // namespace

Network::Network(const std::string& path, int threads)
    : env_(ORT_LOGGING_LEVEL_ERROR, "rethined"), session_(env_, native_path(path).c_str(), options_of(threads)) {}

NetworkOutput Network::run(const Floats& prefilled, const Bytes& hole) {
    const std::int64_t height = prefilled.size.height, width = prefilled.size.width;
    const auto area = static_cast<std::size_t>(height * width);
    std::vector<float> planes(3 * area), mask(hole.values.begin(), hole.values.end());
    for (std::size_t i = 0; i < area; ++i) {
        for (std::size_t channel = 0; channel < 3; ++channel) {
            planes[channel * area + i] = prefilled.values[3 * i + channel] / 255.0f;
        }
    }
    const std::int64_t picture_shape[] = {1, 3, height, width}, hole_shape[] = {1, 1, height, width};
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const Ort::Value inputs[] = {
        Ort::Value::CreateTensor<float>(memory, planes.data(), planes.size(), picture_shape, 4),
        Ort::Value::CreateTensor<float>(memory, mask.data(), mask.size(), hole_shape, 4),
    };
    const char* const input_names[] = {"prefilled", "hole"};
    const char* const output_names[] = {"filled", "sources", "weights"};
    const auto outputs = session_.Run(Ort::RunOptions{nullptr}, input_names, inputs, 2, output_names, 3);

    NetworkOutput result;
    result.filled = Floats(prefilled.size, 3);
    const float* filled = outputs[0].GetTensorData<float>();
    for (std::size_t i = 0; i < area; ++i) {
        for (std::size_t channel = 0; channel < 3; ++channel) {
            result.filled.values[3 * i + channel] = filled[channel * area + i] * 255.0f;
        }
    }
    const auto info = outputs[1].GetTensorTypeAndShapeInfo();
    const std::size_t count = info.GetElementCount();
    result.per_token = static_cast<int>(info.GetShape()[1]);
    const auto* sources = outputs[1].GetTensorData<std::int32_t>();
    const float* weights = outputs[2].GetTensorData<float>();
    result.sources.assign(sources, sources + count);
    result.weights.assign(weights, weights + count);
    return result;
}
