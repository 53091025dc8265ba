// The drawing of an outline: steps one below the other, what runs side by side beside each other, what is within a step
// inside its box; jumps go around at the sides.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernel/workflow/definition/outline.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::definition {
namespace {

constexpr double gap = 28;           // between steps, for the arrow
constexpr double padding = 16;       // within a box
constexpr double title_height = 40;  // of a step's two lines
constexpr double line_height = 15;
constexpr double character = 7.2;
constexpr double width_min = 130;
constexpr double slope = 12;      // of the sides of a switch
constexpr double jump_room = 16;  // for each jump beside a lane

struct Size {
  double width = 0;
  double height = 0;
};
struct Box {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
};

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
    }
  }
  return out;
}

std::string second_line(const Step& step) {
  return step.detail.empty() ? step.kind : fmt::format("{} {}", step.kind, step.detail);
}

std::string third_line(const Step& step) {
  return step.undone_by.empty() ? std::string() : "↩ undone by " + step.undone_by;
}

double title_of(const Step& step) {
  return step.undone_by.empty() ? title_height : title_height + line_height;
}

double text_width(std::string_view text) {
  return character * static_cast<double>(std::ranges::count_if(
                         text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::size_t jumps_of(const Step& step) {
  return static_cast<std::size_t>(
      std::ranges::count_if(step.ways, [](const Way& way) { return way.target != "continue"; }));
}

std::size_t jumps_in(const Lane& lane) {
  std::size_t count = 0;
  for (const Step& step : lane.steps) count += jumps_of(step);
  return count;
}

class Drawing {
 public:
  std::string draw(const Lane& lane) {
    const Size size = size_of(lane);
    const double width = size.width + 2 * padding;
    const double middle = width / 2;
    const double top = padding + 12 + gap;
    arrow(middle, padding + 12, middle, top);
    end_y_ = top + size.height + gap;
    end_x_ = middle;
    place(lane, {padding, top, size.width, size.height}, true);
    const double height = end_y_ + 14 + padding;
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} "
        "{1:.0f}\" font-family=\"ui-sans-serif, system-ui, sans-serif\" font-size=\"12\">\n"
        "<style>.box{{fill:#f6f8fa;stroke:#8c959f}}.step{{fill:#fff;stroke:#57606a}}.name{{fill:#1f2328;"
        "font-weight:600}}.kind{{fill:#57606a}}.line{{fill:none;stroke:#57606a;stroke-width:1.2}}"
        ".tip{{fill:#57606a}}.way{{fill:#0550ae;font-size:11px}}@media (prefers-color-scheme:dark){{"
        ".box{{fill:#161b22;stroke:#6e7681}}.step{{fill:#0d1117;stroke:#8b949e}}.name{{fill:#e6edf3}}"
        ".kind{{fill:#8b949e}}.line{{stroke:#8b949e}}.tip{{fill:#8b949e}}.way{{fill:#79c0ff}}}}</style>\n"
        "<circle class=\"tip\" cx=\"{2:.1f}\" cy=\"{3:.1f}\" r=\"7\"/>\n"
        "{4}<circle class=\"line\" cx=\"{2:.1f}\" cy=\"{5:.1f}\" r=\"8\"/><circle class=\"tip\" cx=\"{2:.1f}\" "
        "cy=\"{5:.1f}\" r=\"4.5\"/>\n</svg>\n",
        width, height, middle, padding + 5, body_, end_y_ + 8);
  }

 private:
  static Size size_of(const Step& step) {
    Size size{std::max({width_min, text_width(step.name) + 30, text_width(second_line(step)) + 30,
                        text_width(third_line(step)) + 30}),
              std::max(title_of(step), 18 * static_cast<double>(jumps_of(step) + 1))};
    if (step.lanes.empty()) return size;
    double width = padding;
    double height = 0;
    for (const Lane& lane : step.lanes) {
      const Size inner = size_of(lane);
      const double framed = inner.height + (lane.title.empty() ? 0 : 18);
      width = step.side_by_side ? width + inner.width + padding : std::max(width, inner.width + 2 * padding);
      height = step.side_by_side ? std::max(height, framed) : height + framed + padding;
    }
    // Lanes below each other have their room behind them already.
    return {std::max(size.width, width), title_of(step) + height + (step.side_by_side ? padding : 0)};
  }
  static Size size_of(const Lane& lane) {
    Size size{width_min, 0};
    for (const Step& step : lane.steps) {
      const Size one = size_of(step);
      size.width = std::max(size.width, one.width);
      size.height += one.height + (size.height > 0 ? gap : 0);
    }
    // On both sides, so that the steps stay in the middle.
    size.width += 2 * jump_room * static_cast<double>(jumps_in(lane)) + (jumps_in(lane) > 0 ? 80 : 0);
    return size;
  }

  void place(const Lane& lane, const Box& room, bool outermost) {
    const double middle = room.x + room.width / 2;
    std::vector<Box> boxes;
    double y = room.y;
    for (const Step& step : lane.steps) {
      const Size size = size_of(step);
      boxes.push_back({middle - size.width / 2, y, size.width, size.height});
      y += size.height + gap;
    }
    double side = 0;
    for (std::size_t i = 0; i < lane.steps.size(); ++i) {
      const Step& step = lane.steps[i];
      const bool is_last = i + 1 == lane.steps.size();
      draw(step, boxes[i]);
      for (const Way& way : step.ways) {
        const double bottom = boxes[i].y + boxes[i].height;
        if (way.target == "continue" && !is_last) {
          arrow(middle, bottom, middle, boxes[i + 1].y);
          label(middle + 5, bottom + gap / 2 + 3, way.label, "start");
        } else if (way.target == "continue" || (way.target == "end" && is_last && outermost)) {
          if (outermost) arrow(middle, bottom, middle, end_y_);
          if (outermost) label(middle + 5, bottom + gap / 2 + 3, way.label, "start");
        } else {
          jump(lane, boxes, i, way, room, ++side, outermost);
        }
      }
    }
  }

  void jump(const Lane& lane, const std::vector<Box>& boxes, std::size_t from, const Way& way, const Box& room,
            double side, bool outermost) {
    const Box& box = boxes[from];
    const Step& step = lane.steps[from];
    const double all = static_cast<double>(jumps_of(step));
    double before = 0;
    for (const Way& other : step.ways) {
      if (&other == &way) break;
      before += other.target == "continue" ? 0 : 1;
    }
    // Below the place where jumps to a switch arrive, for which there is room between its top and the first label.
    const double first = step.kind == "switch" ? 1.5 : 1;
    const double y = box.y + box.height * (before + first) / (all + first);
    const double slant = step.kind == "switch" ? slope * std::abs(y - box.y - box.height / 2) / (box.height / 2) : 0;
    const double start = box.x + box.width - slant;
    const double out = room.x + room.width - jump_room * (side - 0.5);
    const std::string shown = way.label.empty() ? way.target : way.label;
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      if (lane.steps[i].name != way.target) continue;
      const double to = boxes[i].x + boxes[i].width;
      const double to_y = boxes[i].y + std::min(boxes[i].height / 2, 14.0) + (i == from ? -10 : -6);
      body_ += fmt::format("<path class=\"line\" d=\"M{:.1f} {:.1f}H{:.1f}V{:.1f}H{:.1f}\"/>\n", start, y, out, to_y,
                           to + 6);
      body_ += fmt::format("<path class=\"tip\" d=\"M{0:.1f} {1:.1f}l8 -4v8z\"/>\n", to, to_y);
      label(box.x + box.width + 4, y - 3, way.label, "start");
      return;
    }
    // end and exit: the first goes to the end of all, the other is said where it is.
    if (outermost) {
      body_ += fmt::format("<path class=\"line\" d=\"M{:.1f} {:.1f}H{:.1f}V{:.1f}H{:.1f}\"/>\n", start, y, out,
                           end_y_ + 8, end_x_ + 16);
      body_ += fmt::format("<path class=\"tip\" d=\"M{0:.1f} {1:.1f}l8 -4v8z\"/>\n", end_x_ + 9, end_y_ + 8);
      label(box.x + box.width + 4, y - 3, way.label, "start");
      return;
    }
    label(start + 4, y + 4, way.label.empty() ? "→ " + shown : fmt::format("{} → {}", way.label, way.target), "start");
  }

  void draw(const Step& step, const Box& box) {
    const double middle = box.x + box.width / 2;
    const bool rounded = step.kind == "wait" || step.kind == "listen";
    const double cut = step.kind == "switch" ? slope : 0;
    if (cut > 0) {
      body_ += fmt::format(
          "<path class=\"step\" d=\"M{:.1f} {:.1f}l{:.1f} {:.1f}h{:.1f}l{:.1f} {:.1f}l{:.1f} {:.1f}h{:.1f}z\"/>\n",
          box.x, box.y + box.height / 2, cut, -box.height / 2, box.width - 2 * cut, cut, box.height / 2, -cut,
          box.height / 2, -(box.width - 2 * cut));
    } else {
      body_ +=
          fmt::format("<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"{}\"/>\n",
                      step.lanes.empty() ? "step" : "box", box.x, box.y, box.width, box.height, rounded ? 20 : 5);
    }
    const double lower = step.lanes.empty() ? (box.height - title_of(step)) / 2 : 0;
    text(middle, box.y + 17 + lower, step.name, "name");
    text(middle, box.y + 32 + lower, second_line(step), "kind");
    if (!step.undone_by.empty()) text(middle, box.y + 32 + line_height + lower, third_line(step), "way");
    double x = box.x + padding;
    double y = box.y + title_of(step);
    double lanes_width = padding * static_cast<double>(step.lanes.size() - (step.lanes.empty() ? 0 : 1));
    for (const Lane& lane : step.lanes) lanes_width += size_of(lane).width;
    if (step.side_by_side) x = middle - lanes_width / 2;
    for (const Lane& lane : step.lanes) {
      const Size size = size_of(lane);
      if (!step.side_by_side) x = middle - size.width / 2;
      double top = y;
      if (!lane.title.empty()) {
        text(x + size.width / 2, top + 12, lane.title, "way");
        top += 18;
      }
      place(lane, {x, top, size.width, size.height}, false);
      if (step.side_by_side) x += size.width + padding;
      if (!step.side_by_side) y = top + size.height + padding;
    }
  }

  void text(double x, double y, std::string_view shown, std::string_view style) {
    body_ += fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n", style, x, y,
                         escaped(shown));
  }
  void label(double x, double y, std::string_view shown, std::string_view anchor) {
    if (shown.empty()) return;
    body_ += fmt::format("<text class=\"way\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                         escaped(shown));
  }
  void arrow(double x, double y, double to_x, double to_y) {
    body_ += fmt::format("<path class=\"line\" d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\"/>\n", x, y, to_x, to_y - 6);
    body_ += fmt::format("<path class=\"tip\" d=\"M{0:.1f} {1:.1f}l-4 -8h8z\"/>\n", to_x, to_y);
  }

  std::string body_;
  double end_x_ = 0;
  double end_y_ = 0;
};

}  // namespace

std::string svg_of(const Lane& lane) {
  return Drawing().draw(lane);
}

}  // namespace trv::definition
